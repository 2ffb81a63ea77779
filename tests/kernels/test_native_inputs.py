"""The C++ loop rounds what its layers read exactly as evaluation does, token by token and for a whole prompt."""

from pathlib import Path

import pytest
import torch

from optlab.formats.integer_grid import in_groups, minmax
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.kernels.native import library as built
from optlab.kernels.native.huge_pages import Pages
from optlab.kernels.native.linear import NativeLinear, Together
from optlab.kernels.runtime import runtime
from optlab.kernels.weights import Source
from optlab.models.inputs import InputFormat, round_inputs
from tests.compressing import compressed, quantize, tiny

pytestmark = pytest.mark.skipif(built.library()[0] is None, reason=built.library()[1] or "the library is there")


def layer(
    bits: int, group: int | None, inputs: InputFormat | None, width: int = 96
) -> tuple[NativeLinear, torch.Tensor]:
    W = torch.randn(40, width, generator=torch.Generator().manual_seed(0))
    stored = QuantizedTensor.of(W, minmax(in_groups(W, group), bits, "none"), group)
    source = Source(stored.dequantize(), torch.linspace(-1, 1, 40), stored, inputs)
    return NativeLinear(source), stored.dequantize()


def whole(module: NativeLinear, x: torch.Tensor, inputs: InputFormat) -> torch.Tensor:
    """All rows at once, multiplied as those of a prompt are."""
    together, bias = Together([module], Pages()), torch.linspace(-1, 1, 40)
    if not together.whole_numbers:
        return together(inputs.rounded(x)).float() + bias
    step = inputs.step(x)
    sums = together(inputs.codes(x, step).to(torch.int8))
    assert sums.dtype == torch.int32
    return sums * step * together.scale + bias


@pytest.mark.parametrize("inputs", [InputFormat(8), InputFormat(4), InputFormat(8, 0.02)])
@pytest.mark.parametrize(("bits", "group"), [(8, None), (8, 32), (4, 32)])
def test_a_layer_multiplies_rounded_inputs(bits, group, inputs):
    module, W = layer(bits, group, inputs)
    x = torch.randn(5, 96, generator=torch.Generator().manual_seed(1)).bfloat16()
    expected = inputs.rounded(x.float()) @ W.T + torch.linspace(-1, 1, 40)
    scale = expected.abs().mean()
    prompt = whole(module, x, inputs)
    one = torch.stack([module.times(row) for row in x])
    assert module.whole_numbers == (group is None)
    assert (one - expected).abs().max() < 0.03 * scale
    assert (prompt - expected).abs().max() < 0.03 * scale
    plain = x.float() @ W.T + torch.linspace(-1, 1, 40)
    if inputs.bits == 4:
        assert (one - plain).abs().max() > 0.1 * scale, "nothing was rounded"


def test_whole_numbers_are_exact_but_for_the_scales():
    module, W = layer(8, None, InputFormat(8))
    codes = torch.randint(-127, 128, (96,), generator=torch.Generator().manual_seed(2)).float()
    codes[0] = 127
    torch.testing.assert_close(module.times(codes), W @ codes + torch.linspace(-1, 1, 40), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("method", ["dynamic", "smoothquant"])
@pytest.mark.parametrize("activations", [8, 4])
def test_the_loop_continues_a_text_as_the_model_does(method, activations, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))
    step = {"quantize": {"method": method, "activation_bits": activations}}
    result = compressed(tiny("llama", tmp_path), tmp_path, step)
    ids = list(range(4, 24))
    expected = result.model.logits(torch.tensor([ids]))[0].detach()
    timed = runtime(result, "bfloat16")
    assert timed.path == "own runtime in C++, int8 weights and activations"
    found = torch.stack([timed.prefill(ids[:8]), *(timed.decode(token) for token in ids[8:])]).float()
    # bfloat16 moves numbers across the edge between two codes, so the model in bfloat16 is as far off.
    off = (found - expected[7:]).norm() / expected[7:].norm()
    usual = result.model.to(dtype="bfloat16").logits(torch.tensor([ids]))[0].detach().float()
    assert off < 1.5 * (usual - expected).norm() / expected.norm() + 0.01


def test_layers_that_round_one_input_differently_are_left_to_torch(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))
    result = compressed(tiny("llama", tmp_path), tmp_path, quantize(bits=8))
    round_inputs(result.model.module_named("model.layers.0.self_attn.q_proj"), InputFormat(8))
    timed = runtime(result, "bfloat16")
    assert timed.path.startswith("own runtime, ")
    assert any("round them differently" in note for note in timed.notes)
