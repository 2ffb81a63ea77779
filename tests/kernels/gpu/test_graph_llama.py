"""Every trait of our Transformer, decoded by the kernels of a graphics card, gives the logits of its forward.

The kernels run through Triton's interpreter; a card records and replays the same launches.
"""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optlab.formats.integer_grid import in_groups, minmax
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.models.config import Config
from optlab.models.structure import analyse, linear_weight
from optlab.models.transformer import Transformer
from tests.models.variants import VOCABULARY, own_configs

pytest.importorskip("triton")

from optlab.kernels.gpu.llama import GraphLlama

PROMPT, LENGTH = 37, 39
"""Longer than every window."""


def made(config: Config, seed: int, bits: int | None) -> tuple[Transformer, dict[str, QuantizedTensor]]:
    """A random model, or one whose layers are of `bits` bits in groups of 32."""
    module, stored = Transformer(config).eval(), {}
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(0.2 * noise if parameter.ndim > 1 else parameter + 0.2 * noise)
        for name in analyse(module).linears if bits else ():
            weight = linear_weight(module.get_submodule(name))
            stored[name] = QuantizedTensor.of(weight, minmax(in_groups(weight, 32), bits or 4, "integer"), 32)
            weight.copy_(stored[name].dequantize())
    return module, stored


@settings(max_examples=4, deadline=None)
@given(config=own_configs(), seed=st.integers(0, 99), bits=st.sampled_from([None, 4, 8]))
def test_decoding_gives_the_logits_of_the_forward(config: Config, seed: int, bits: int | None) -> None:
    module, stored = made(config, seed, bits)
    ids = torch.randint(0, VOCABULARY, (LENGTH,), generator=torch.Generator().manual_seed(seed)).tolist()
    with torch.inference_mode():
        expected = module(torch.tensor([ids]))[0, PROMPT - 1 :]
    runs = GraphLlama(module, stored, torch.float32, LENGTH, [])
    found = torch.stack([runs.prefill(ids[:PROMPT]), *(runs.decode(token) for token in ids[PROMPT:])])
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=2e-4)
