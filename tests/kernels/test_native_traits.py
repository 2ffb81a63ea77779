"""Every trait of our Transformer, in any combination, computes the same in its forward, in torch's loop and in C++."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optlab.formats.integer_grid import in_groups, minmax
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.kernels.batch import LlamaBatch, batch
from optlab.kernels.llama import LlamaRuntime
from optlab.kernels.native import library as built
from optlab.kernels.native.batch import NativeBatch
from optlab.kernels.native.llama import NativeLlama, refusal
from optlab.models.config import Config
from optlab.models.structure import analyse, linear_weight
from optlab.models.transformer import Transformer
from tests.models.variants import VOCABULARY, own_configs

LENGTH, PROMPT = 44, 37
"""Longer than every window; some of it token by token."""


def made(config: Config, seed: int, bits: int | None) -> tuple[Transformer, dict[str, QuantizedTensor]]:
    """A random model whose weights bfloat16 holds exactly, or that are those of `bits` bits in groups of 32."""
    module = Transformer(config).eval()
    generator = torch.Generator().manual_seed(seed)
    stored = {}
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_((0.2 * noise if parameter.ndim > 1 else parameter + 0.2 * noise).bfloat16())
        for name in analyse(module).linears if bits else ():
            weight = linear_weight(module.get_submodule(name))
            stored[name] = QuantizedTensor.of(weight, minmax(in_groups(weight, 32), bits or 4, "integer"), 32)
            weight.copy_(stored[name].dequantize())
    return module, stored


def in_dtype(module: Transformer, dtype: torch.dtype) -> Transformer:
    copy = Transformer(module.config).eval()
    copy.load_state_dict(module.state_dict())
    return copy.to(dtype)


def continued(runs: LlamaRuntime, ids: list[int]) -> torch.Tensor:
    """Logits [LENGTH - PROMPT + 1, V] after the prompt and after each further token."""
    runs.reset()
    return torch.stack([runs.prefill(ids[:PROMPT]), *(runs.decode(token) for token in ids[PROMPT:])]).float()


@settings(max_examples=25, deadline=None)
@given(config=own_configs(), seed=st.integers(0, 99))
def test_torchs_loop_gives_the_logits_of_the_forward(config: Config, seed: int) -> None:
    module, _ = made(config, seed, None)
    ids = torch.randint(0, VOCABULARY, (LENGTH,), generator=torch.Generator().manual_seed(seed)).tolist()
    with torch.inference_mode():
        expected = module(torch.tensor([ids]))[0, PROMPT - 1 :]
    runs = LlamaRuntime(module, {}, torch.float32, LENGTH, [])
    runs.path = "eager"
    torch.testing.assert_close(continued(runs, ids), expected, atol=2e-4, rtol=2e-4)
    together = batch(runs, 2)
    assert isinstance(together, LlamaBatch)
    found = [together.start([ids[:PROMPT]] * 2), *(together.step([token] * 2) for token in ids[PROMPT:])]
    torch.testing.assert_close(torch.stack(found)[:, 1], expected, atol=2e-4, rtol=2e-4)


@pytest.mark.skipif(built.library()[0] is None, reason=built.library()[1] or "the library is there")
@settings(max_examples=40, deadline=None)
@given(config=own_configs(), seed=st.integers(0, 99), bits=st.sampled_from([None, None, 4, 8]))
def test_the_cpp_loop_is_as_near_to_float32_as_torchs_bfloat16(config: Config, seed: int, bits: int | None) -> None:
    module, stored = made(config, seed, bits)
    ids = torch.randint(0, VOCABULARY, (LENGTH,), generator=torch.Generator().manual_seed(seed)).tolist()
    with torch.inference_mode():
        expected = module(torch.tensor([ids]))[0, PROMPT - 1 :]
    half = in_dtype(module, torch.bfloat16)
    usual = continued(LlamaRuntime(half, {}, torch.bfloat16, LENGTH, []), ids)
    assert refusal(half, torch.bfloat16) is None
    fast = NativeLlama(half, stored, torch.bfloat16, LENGTH, [])
    fast.path = "C++"
    found = continued(fast, ids)
    size = expected.norm()
    assert (found - expected).norm() < 1.5 * (usual - expected).norm() + 0.02 * size
    together = batch(fast, 3)
    assert isinstance(together, NativeBatch)
    several = [together.start([ids[:PROMPT]] * 3), *(together.step([token] * 3) for token in ids[PROMPT:])]
    torch.testing.assert_close(torch.stack(several)[:, 2], found, atol=1e-3, rtol=1e-3)
