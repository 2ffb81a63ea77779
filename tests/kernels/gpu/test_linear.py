"""Packed products in Triton equal dequantize-then-multiply in float32, for any shape, bits, groups and zeros."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from optlab.formats.integer_grid import in_groups, minmax
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.kernels.norm import Norm
from optlab.kernels.rule import kernel_of
from optlab.kernels.weights import Source
from optlab.models.transformer import activate

pytest.importorskip("triton")

from optlab.kernels.gpu import layout, tensor_cores
from optlab.kernels.gpu.linear import TritonLinear


@st.composite
def weights(draw: Any) -> Source:
    """A weight of any shape, dense or of 2 to 8 bits, that `kernel_of` gives a kernel."""
    bits, zero = draw(st.sampled_from([None, 2, 3, 4, 4, 5, 8])), draw(st.sampled_from(["none", "integer", "float"]))
    group = draw(st.sampled_from([8, 16, 24, 32, 64, 96, 128, 320, None]))
    width = (group or 8) * draw(st.integers(1, 700 // (group or 8)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    W = torch.randn(2 * draw(st.integers(1, 40)), width, generator=generator)
    bias = torch.randn(len(W), generator=generator) if draw(st.booleans()) else None
    stored = None
    if bits is not None:
        stored = QuantizedTensor.of(W, minmax(in_groups(W, group), bits, zero), group)
    return Source(W, bias, stored)


def built(source: Source) -> TritonLinear:
    return TritonLinear([source], kernel_of(source.format, "triton"), torch.float32, "cpu")


def near(found: Tensor, expected: Tensor, rounding: float = 2e-6) -> bool:
    return bool((found - expected).norm() <= rounding * expected.norm())


@settings(max_examples=12, deadline=None)
@given(source=weights(), tokens=st.sampled_from([1, 1, 3]), seed=st.integers(0, 99))
def test_a_product_is_that_of_the_dequantized_weight(source: Source, tokens: int, seed: int) -> None:
    x = torch.randn(tokens, source.weight.shape[1], generator=torch.Generator().manual_seed(seed))
    found = built(source)(x)
    assert near(
        found, F.linear(x.double(), source.values().double()).float() + (0.0 if source.bias is None else source.bias)
    )


@settings(max_examples=8, deadline=None)
@given(
    source=weights(), seed=st.integers(0, 99), gated=st.booleans(), rms=st.booleans(),
    activation=st.sampled_from(["none", "silu", "gelu", "gelu_tanh", "relu"]),
)  # fmt: skip
def test_what_is_taken_along_is_what_follows_one_by_one(
    source: Source, seed: int, gated: bool, rms: bool, activation: str
) -> None:
    generator = torch.Generator().manual_seed(seed)
    width, outputs = source.weight.shape[1], len(source.weight) // (2 if gated else 1)
    x, residual = (torch.randn(1, size, generator=generator) for size in (width, outputs))
    norm = Norm(torch.randn(width, generator=generator), None, 1e-5, False) if rms else None
    layer = built(source)
    if gated:
        layer.interleave()
    found = layer.multiply(x, norm, activation, 0.5, residual)
    y = F.linear(x if norm is None else norm(x), source.values(), source.bias)

    def act(part: Tensor) -> Tensor:
        return part if activation == "none" else activate(activation, part)

    expected = act(y.chunk(2, dim=-1)[0]) * y.chunk(2, dim=-1)[1] if gated else act(y)
    assert near(found, residual + 0.5 * expected, 1e-5)
    if gated:
        assert near(layer(x), F.linear(x, source.values(), source.bias)), "a prompt has its gates before the others"


@st.composite
def four_bits(draw: Any) -> Source:
    """A weight whose codes tensor cores multiply: 3 or 4 bits, in groups that fill their smallest product."""
    bits, zero = draw(st.sampled_from([3, 4, 4])), draw(st.sampled_from(["none", "integer", "float"]))
    group = draw(st.sampled_from([16, 32, 48, 64, 96, 128, 192, None]))
    width = (group or 16) * draw(st.integers(1, 1300 // (group or 16)))
    W = torch.randn(
        2 * draw(st.integers(1, 70)), width, generator=torch.Generator().manual_seed(draw(st.integers(0, 99)))
    )
    return Source(W, None, QuantizedTensor.of(W, minmax(in_groups(W, group), bits, zero), group))


@settings(max_examples=12, deadline=None)
@given(
    source=four_bits(), dtype=st.sampled_from([torch.bfloat16, torch.float16]), rms=st.booleans(), gated=st.booleans()
)
def test_tensor_cores_multiply_by_the_dequantized_weight(
    source: Source, dtype: torch.dtype, rms: bool, gated: bool
) -> None:
    generator = torch.Generator().manual_seed(source.weight.shape[1])
    width, outputs = source.weight.shape[1], len(source.weight) // (2 if gated else 1)
    x = torch.randn(1, width, generator=generator).to(dtype)
    norm = Norm(torch.randn(width, generator=generator).to(dtype), None, 1e-5, False) if rms else None
    layer = TritonLinear([source], "int4", dtype, "cpu")
    assert all(cut.tensor for cut in layer.cuts(x))
    if gated:
        layer.interleave()
    y = F.linear(x.float() if norm is None else norm(x).float(), source.values())
    expected = F.silu(y.chunk(2, dim=-1)[0]) * y.chunk(2, dim=-1)[1] if gated else y
    residual = torch.randn(1, outputs, generator=generator).to(dtype)
    found = layer.multiply(x, norm, "silu" if gated else "none", 1.0, residual)
    # Sums are float32; what differs is that normed inputs and the answer are rounded to 8 or 11 bits.
    assert near(found.float(), residual.float() + expected, 1.2e-2 if dtype == torch.bfloat16 else 1.5e-3)


def test_a_power_and_a_code_are_one_number() -> None:
    for dtype, (bits, power) in tensor_cores.POWERS.items():
        pairs = (torch.arange(16, dtype=torch.int32) * 0x00010001 | bits).view(dtype)
        assert torch.equal(pairs, torch.arange(16).repeat_interleave(2) + torch.tensor(power, dtype=dtype))


@settings(max_examples=30)
@given(bits=st.sampled_from([2, 4, 8]), block=st.sampled_from([16, 32, 64]), blocks=st.integers(1, 5))
def test_words_give_back_their_codes(bits: int, block: int, blocks: int) -> None:
    codes = torch.randint(0, 1 << bits, (3, block * blocks), dtype=torch.uint8)
    words = layout.into_words(codes, bits, block)
    assert words.numel() * 32 == codes.numel() * bits
    assert torch.equal(layout.from_words(words, bits, block), codes)


def test_a_group_that_fills_no_word_is_multiplied_dense() -> None:
    W = torch.randn(4, 24)
    stored = QuantizedTensor.of(W, minmax(in_groups(W, 12), 4, "integer"), 12)
    assert kernel_of(Source(W, None, stored).format, "triton") == "dense"
    assert layout.block_size(12, 4) is None
