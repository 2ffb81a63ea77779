"""MXFP4 and NVFP4 are those of ggml and torch: the same decoder reads the same weights from our codes and scales."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize
from hypothesis import given
from hypothesis import strategies as st

from optlab.errors import RecipeError
from optlab.lessons import microscaling
from optlab.lessons.microscaling import BLOCK, E2M1
from optlab.lessons.weights import Array, Weights
from tests.lessons.conftest import LAYER


def test_mxfp4_is_what_ggml_makes_of_the_same_weights(nano: Weights) -> None:
    W = nano[LAYER][:16]
    expected = dequantize(quantize(W, GGMLQuantizationType.MXFP4), GGMLQuantizationType.MXFP4)
    ours = microscaling.matrix(W, "MXFP4")
    # on a tie ggml takes the smaller, the specification the even code: as near, and no more
    np.testing.assert_allclose(np.abs(ours - W), np.abs(expected - W), atol=1e-7)


def packed(codes: Array, scales: Array) -> Array:
    """Four blocks of NVFP4 in the 36 bytes of ggml: float8 scales, then codes, halves of a block share bytes."""
    s = torch.from_numpy(scales).to(torch.float8_e4m3fn).view(torch.uint8).numpy().reshape(-1, 4)
    q = (codes[:, :8] | codes[:, 8:] << 4).reshape(len(s), -1)
    return np.concatenate([s, q], axis=1)


def test_the_decoder_of_ggml_reads_nvfp4_as_the_same_weights(nano: Weights) -> None:
    W = nano[LAYER][:16].reshape(-1)
    found = microscaling.rounded(W, "NVFP4")
    read = dequantize(packed(found.codes, found.scales), GGMLQuantizationType.NVFP4).reshape(-1) * found.whole
    np.testing.assert_allclose(found.after, read, rtol=1e-6, atol=1e-9)


@given(st.lists(st.floats(0, 448, width=32), min_size=1, max_size=50))
def test_a_scale_is_rounded_as_torch_rounds_a_float8(values: list[float]) -> None:
    x = np.asarray(values, np.float32)
    expected = torch.from_numpy(x).to(torch.float8_e4m3fn).float().numpy()
    np.testing.assert_array_equal(microscaling.e4m3(x), expected)


@pytest.mark.parametrize("name", BLOCK)
def test_codes_and_scales_say_the_weights_and_no_code_is_nearer(nano: Weights, name: str) -> None:
    found = microscaling.rounded(nano[LAYER][3], name)
    signs = 1 - 2.0 * (found.codes >> 3)
    said = signs * E2M1[found.codes & 7] * (found.scales * np.float32(found.whole))[:, None]
    np.testing.assert_allclose(said.reshape(-1), found.after, rtol=1e-6)
    blocks = found.before.reshape(found.codes.shape)
    away = np.abs(blocks[..., None] - found.levels[:, None, :]).min(-1)
    np.testing.assert_allclose(np.abs(found.after - found.before), away.reshape(-1), atol=1e-7)


def test_the_largest_weight_of_a_matrix_survives_nvfp4(nano: Weights) -> None:
    W = nano[LAYER]
    place = np.unravel_index(np.abs(W).argmax(), W.shape)
    assert microscaling.matrix(W, "NVFP4")[place] == pytest.approx(W[place], rel=1e-5)


def test_nothing_stays_nothing() -> None:
    for name in BLOCK:
        np.testing.assert_array_equal(microscaling.matrix(np.zeros((2, 64), np.float32), name), 0)


def test_a_row_that_is_no_whole_blocks_is_refused() -> None:
    with pytest.raises(RecipeError, match="no format NVFP4 of 20 weights"):
        microscaling.rounded(np.zeros(20, np.float32), "NVFP4")
