"""Packed layers compute what their dequantized weight computes, within bfloat16's rounding."""

import pytest
import torch

from optlab.formats.integer_grid import in_groups, minmax
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.kernels.linear import pack
from optlab.kernels.rule import kernel_of, notes_for
from optlab.kernels.weights import Source

SHAPES = [(576, 576), (192, 576), (1536, 576), (576, 1536), (256, 256), (128, 256), (640, 256), (256, 640), (33, 64)]


def quantized(rows: int, columns: int, bits: int, group: int | None, zero: str, seed: int = 0) -> QuantizedTensor:
    W = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) * 0.1 + 0.02
    return QuantizedTensor.of(W, minmax(in_groups(W, group), bits, zero), group)


def source(one: QuantizedTensor, bias: bool = False) -> Source:
    W = one.dequantize()
    return Source(W, torch.linspace(-1, 1, len(W)) if bias else None, one)


def assert_close(module: torch.nn.Module, W: torch.Tensor, bias: torch.Tensor | None = None) -> None:
    """Against float32 arithmetic on the dequantized weight; scale, offset and product each round to 8 bits."""
    x = torch.randn(3, W.shape[1], generator=torch.Generator().manual_seed(1)).to(torch.bfloat16)
    expected = x.float() @ W.T
    if bias is not None:
        expected = expected + bias
    scale = (x.float().abs() @ W.abs().T).mean()
    error = (module(x).float() - expected).abs().max()
    assert error < 0.02 * scale, f"error {error:.4f} against a scale of {scale:.4f}"
    assert expected.abs().max() > 0


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bits", [2, 3, 4])
@pytest.mark.parametrize("zero", ["none", "integer", "float"])
def test_up_to_4_bits_in_groups_run_on_the_int4_kernel(shape: tuple[int, int], bits: int, zero: str) -> None:
    one = quantized(*shape, bits, 32, zero)
    module, notes, kernels = pack([source(one)], torch.bfloat16, "cpu")
    assert kernels == {"int4"}
    assert bool(notes) == (bits != 4)
    assert_close(module, one.dequantize())


@pytest.mark.parametrize("group", [64, 96, 192, 576, None])
def test_groups_the_kernel_does_not_know_run_with_repeated_scales(group: int | None) -> None:
    one = quantized(64, 576, 4, group, "integer")
    module, _, kernels = pack([source(one, bias=True)], torch.bfloat16, "cpu")
    assert kernels == {"int4"}
    assert_close(module, one.dequantize(), torch.linspace(-1, 1, 64))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bits", [5, 8])
def test_symmetric_rows_run_on_the_int8_kernel(shape: tuple[int, int], bits: int) -> None:
    one = quantized(*shape, bits, None, "none")
    module, notes, kernels = pack([source(one, bias=True)], torch.bfloat16, "cpu")
    assert kernels == {"int8"}
    assert bool(notes) == (bits != 8)
    assert_close(module, one.dequantize(), torch.linspace(-1, 1, shape[0]))


@pytest.mark.parametrize(("bits", "group", "zero"), [(8, 64, "none"), (6, None, "integer"), (4, 18, "none")])
def test_formats_without_a_kernel_say_so(bits: int, group: int | None, zero: str) -> None:
    one = quantized(32, 576, bits, group, zero)
    module, notes, kernels = pack([source(one)], torch.bfloat16, "cpu")
    assert kernels == {"dense"}
    assert f"{bits} bits" in notes[0]
    assert "no kernel" in notes[0]
    assert_close(module, one.dequantize())


@pytest.mark.parametrize("width", [20, 36, 100])
def test_widths_that_the_int8_kernel_would_read_past_run_dense(width: int) -> None:
    one = quantized(16, width, 8, None, "none")
    module, notes, kernels = pack([source(one)], torch.bfloat16, "cpu")
    assert kernels == {"dense"}
    assert notes
    assert_close(module, one.dequantize())


def test_on_a_gpu_everything_is_dense_and_says_so() -> None:
    layer = source(quantized(32, 64, 4, 32, "none")).format
    assert kernel_of(layer, "torch", "cuda") == "dense"
    assert "on this device" in notes_for(layer, "torch", "cuda")[0]


def test_neighbours_of_one_format_become_one_call_and_keep_their_order() -> None:
    parts = [quantized(32, 64, 4, 32, "integer", 0), quantized(16, 64, 3, 32, "float", 1)]
    module, _, _ = pack([source(one) for one in parts], torch.bfloat16, "cpu")
    assert type(module).__name__ == "Int4Linear"
    assert_close(module, torch.cat([one.dequantize() for one in parts]))


def test_different_formats_run_one_after_the_other_and_keep_their_order() -> None:
    first, last = quantized(32, 64, 4, 32, "integer"), quantized(16, 64, 8, None, "none")
    dense = torch.randn(24, 64) * 0.1
    module, _, kernels = pack([source(first), Source(dense, None, None), source(last)], torch.bfloat16, "cpu")
    assert kernels == {"int4", "dense", "int8"}
    assert_close(module, torch.cat([first.dequantize(), dense, last.dequantize()]))
