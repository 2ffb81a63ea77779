"""K-quants are those of ggml: its own decoder reads our numbers, packed as it packs them, as the same weights."""

from __future__ import annotations

import numpy as np
import pytest
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from optlab.errors import RecipeError
from optlab.lessons import super_blocks
from optlab.lessons.super_blocks import FORMATS, Rounded
from optlab.lessons.weights import Array, Weights
from tests.lessons.conftest import LAYER


def in_pieces(codes: Array, each: int, count: int) -> Array:
    """codes [s, 256] as ggml strews them: [s, pieces, count, each], `count` of them share a byte."""
    return codes.reshape(len(codes), -1, count, each)


def packed_q2(found: Rounded) -> Array:
    codes = in_pieces(found.codes.reshape(len(found.d), -1), 32, 4)
    q = np.bitwise_or.reduce(codes << np.array([0, 2, 4, 6], np.uint8)[:, None], axis=2).reshape(len(codes), -1)
    assert found.minima is not None and found.d_min is not None
    scales = (found.scales | found.minima << 4).astype(np.uint8)
    return np.concatenate([scales, q, halves(found.d), halves(found.d_min)], axis=1)


def packed_q4(found: Rounded) -> Array:
    codes = in_pieces(found.codes.reshape(len(found.d), -1), 32, 2)
    q = (codes[:, :, 0] | codes[:, :, 1] << 4).reshape(len(codes), -1)
    assert found.minima is not None and found.d_min is not None
    s, m = found.scales.astype(np.uint8), found.minima.astype(np.uint8)
    scales = np.concatenate(
        [s[:, :4] | (s[:, 4:] >> 4) << 6, m[:, :4] | (m[:, 4:] >> 4) << 6, (s[:, 4:] & 15) | (m[:, 4:] & 15) << 4], 1
    )
    return np.concatenate([halves(found.d), halves(found.d_min), scales, q], axis=1)


def packed_q6(found: Rounded) -> Array:
    codes = found.codes.reshape(len(found.d), 2, 4, 32)
    low, high = codes & 15, codes >> 4
    ql = np.concatenate([low[:, :, 0] | low[:, :, 2] << 4, low[:, :, 1] | low[:, :, 3] << 4], axis=2)
    qh = np.bitwise_or.reduce(high << np.array([0, 2, 4, 6], np.uint8)[:, None], axis=2)
    scales = found.scales.astype(np.int8).view(np.uint8)
    return np.concatenate([ql.reshape(len(codes), -1), qh.reshape(len(codes), -1), scales, halves(found.d)], axis=1)


def halves(x: Array) -> Array:
    return x[:, None].copy().view(np.uint8)


@pytest.mark.parametrize(("name", "packed"), [("Q2_K", packed_q2), ("Q4_K", packed_q4), ("Q6_K", packed_q6)])
def test_the_decoder_of_ggml_reads_the_same_weights(nano: Weights, name: str, packed: object) -> None:
    found = super_blocks.rounded(nano[LAYER][:8].reshape(-1), name)
    data = packed(found)  # type: ignore[operator]
    read = dequantize(np.ascontiguousarray(data), GGMLQuantizationType[name]).reshape(-1)
    np.testing.assert_allclose(found.after, read, rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", FORMATS)
def test_a_weight_costs_what_ggml_says(name: str) -> None:
    weights, size = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    assert weights == super_blocks.SUPER
    assert FORMATS[name].bits_per_weight == size * 8 / weights


@pytest.mark.parametrize("name", FORMATS)
def test_every_weight_sits_on_the_nearest_level_of_its_block(nano: Weights, name: str) -> None:
    found = super_blocks.rounded(nano[LAYER][0], name)
    blocks = found.before.reshape(found.codes.shape)
    away = np.abs(blocks[..., None] - found.levels[:, :, None, :]).min(-1)
    np.testing.assert_allclose(np.abs(found.after - found.before), away.reshape(-1), atol=1e-7)


@given(arrays.arrays(np.float32, 256, elements=st.floats(-8, 8, width=32)))
def test_scales_fit_their_bits_and_nothing_leaves_the_range(row: Array) -> None:
    for name, shape in FORMATS.items():
        found = super_blocks.rounded(row, name)
        low = 0 if shape.minimum else -(1 << (shape.scale_bits - 1))
        assert low <= found.scales.min() and found.scales.max() < low + (1 << shape.scale_bits)
        assert found.codes.max() < 1 << shape.bits
        assert np.isfinite(found.after).all()


def test_more_bits_lose_less(nano: Weights) -> None:
    W = nano[LAYER]
    errors = [np.square(super_blocks.matrix(W, name) - W).mean() for name in sorted(FORMATS)]
    assert errors == sorted(errors, reverse=True)


def test_a_row_that_is_no_whole_super_blocks_is_refused() -> None:
    with pytest.raises(RecipeError, match="no K-quant Q4_K of 100 weights"):
        super_blocks.rounded(np.zeros(100, np.float32), "Q4_K")
