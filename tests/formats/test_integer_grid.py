"""Every grid against closed forms: step, error bound, exact zeros, and what searching a narrower range gains."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optlab.formats.integer_grid import Grid, best_clip, diagonal_blocks, fit, in_groups, levels, minmax, stored
from optlab.formats.integer_tensor import QuantizedTensor

ZEROS = ["none", "integer", "float"]


def weights(seed: int, rows: int = 4, columns: int = 64, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) + shift


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    bits=st.integers(2, 8),
    zero=st.sampled_from(ZEROS),
    size=st.sampled_from([None, 8, 16, 32]),
    shift=st.floats(-3, 3),
    magnitude=st.sampled_from([1e-4, 0.02, 1.0, 500.0]),
)
def test_no_weight_moves_further_than_half_a_step(seed, bits, zero, size, shift, magnitude):
    W = weights(seed, shift=shift) * magnitude
    grid = minmax(in_groups(W, size), bits, zero)
    error = (in_groups(QuantizedTensor.of(W, grid, size).dequantize(), size) - in_groups(W, size)).abs()
    # The range is rounded to 16 bits, so the outermost level may miss its end by that much of the whole range.
    largest = in_groups(W, size).abs().amax(-1)
    rounding = 2.0**-8 if grid.scale.dtype == torch.bfloat16 else 2.0**-10
    assert (error <= (0.5 * grid.scale.float() + rounding * 2 * largest).unsqueeze(-1) + 1e-12).all()


@pytest.mark.parametrize("bits", range(2, 9))
def test_levels_come_back_as_themselves(bits):
    codes = torch.arange(levels(bits) + 1, dtype=torch.uint8).expand(3, -1)
    zero = torch.tensor([[0], [1], [levels(bits)]], dtype=torch.uint8)
    for grid in (
        Grid(bits, torch.full((3, 1), 0.25, dtype=torch.float16), None),
        Grid(bits, torch.full((3, 1), 0.25, dtype=torch.float16), zero),
        Grid(bits, torch.full((3, 1), 0.25, dtype=torch.float16), torch.tensor([[-1.0], [0.0], [2.5]]).half()),
    ):
        assert torch.equal(grid.encode(grid.decode(codes)), codes)


def test_mean_squared_error_of_uniform_weights_is_a_twelfth_of_the_squared_step():
    W = torch.rand(64, 4096, generator=torch.Generator().manual_seed(0))
    for bits in (4, 6, 8):
        quantized = QuantizedTensor.of(W, minmax(in_groups(W, None), bits, "float"), None)
        step = 1 / levels(bits)
        assert (quantized.dequantize() - W).square().mean().item() == pytest.approx(step**2 / 12, rel=0.02)


@pytest.mark.parametrize("zero", ["none", "integer"])
@pytest.mark.parametrize("bits", range(2, 9))
def test_zero_stays_exactly_zero(zero, bits):
    W = weights(1, 8, 96, shift=0.7)
    W[:, ::3] = 0.0
    back = QuantizedTensor.of(W, minmax(in_groups(W, 32), bits, zero), 32).dequantize()
    assert (back[:, ::3] == 0).all()


@pytest.mark.parametrize("zero", ZEROS)
def test_a_group_of_equal_weights_is_finite(zero):
    for value in (0.0, 0.125, -2.0):
        W = torch.full((2, 32), value)
        back = QuantizedTensor.of(W, minmax(in_groups(W, 16), 4, zero), 16).dequantize()
        # A symmetric grid of 15 steps has its outermost level half a step inside the range.
        assert torch.allclose(back, W, rtol=1 / 15 + 1e-3 if zero == "none" else 2e-3, atol=0)


def test_symmetric_step_is_the_one_of_compressed_tensors():
    quantization = pytest.importorskip("compressed_tensors.quantization")
    utils = pytest.importorskip("compressed_tensors.quantization.utils")
    W = weights(5, 16, 64)
    for bits in (2, 4, 8):
        for symmetric, zero in ((True, "none"), (False, "integer")):
            args = quantization.QuantizationArgs(num_bits=bits, symmetric=symmetric, strategy="channel")
            scale, point = utils.calculate_qparams(W.amin(1, keepdim=True), W.amax(1, keepdim=True), args)
            grid = minmax(in_groups(W, None), bits, zero)
            assert torch.equal(grid.scale, scale.to(grid.scale.dtype))
            if zero == "integer":
                assert (grid.zero_point.int() - (1 << (bits - 1)) - point.int()).abs().max() <= 1


def test_searching_the_range_never_adds_error_and_helps_at_two_bits():
    W = weights(3, 32, 256)
    for bits in (2, 3, 4, 8):
        for zero in ZEROS:
            full, best = (
                (QuantizedTensor.of(W, choose(in_groups(W, 64), bits, zero), 64).dequantize() - W).square().sum()
                for choose in (minmax, best_clip)
            )
            assert best <= full
            assert bits > 2 or best < 0.8 * full


def test_best_range_of_normal_weights_at_two_bits_is_the_known_one():
    # Four uniform levels for a normal variable: step 0.9957 standard deviations (Max 1960, table II).
    W = torch.randn(1, 200_000, generator=torch.Generator().manual_seed(0))
    low, high = -3.0, 3.0
    grid = best_clip(W.clamp(low, high).unsqueeze(0), 2, "float")
    assert grid.scale.item() == pytest.approx(0.9957, rel=0.05)


def test_best_range_for_the_output_sees_which_inputs_are_large():
    W, size = weights(0, 16, 64), 32
    loud = torch.ones(64)
    loud[[5, 40]] = 100.0
    X = torch.randn(4000, 64, generator=torch.Generator().manual_seed(1)) * loud
    H = X.T @ X / len(X)

    def error(moments: torch.Tensor | None) -> torch.Tensor:
        Q = QuantizedTensor.of(W, best_clip(in_groups(W, size), 2, "integer", moments), size).dequantize()
        return ((Q - W) @ H * (Q - W)).sum()

    assert error(diagonal_blocks(H, size)) < 0.8 * error(None)
    white = torch.eye(size).expand(2, size, size)
    found, plain = (best_clip(in_groups(W, size), 2, "integer", moments) for moments in (white, None))
    assert torch.equal(found.scale, plain.scale)


def test_diagonal_blocks_are_the_moments_within_each_group():
    H = torch.arange(16.0).view(4, 4)
    assert diagonal_blocks(H, 2).tolist() == [[[0, 1], [4, 5]], [[10, 11], [14, 15]]]


@pytest.mark.parametrize(("value", "dtype"), [(1.0, torch.float16), (1e-3, torch.float16), (1e-7, torch.bfloat16),
                                              (1e6, torch.bfloat16), (0.0, torch.float16)])  # fmt: skip
def test_scales_are_kept_in_the_sixteen_bits_that_hold_them_best(value, dtype):
    assert stored(torch.tensor([value, 0.0])).dtype == dtype


def test_integer_zero_widens_the_range_to_hold_zero():
    grid = fit(torch.tensor([1.0]), torch.tensor([3.0]), 2, "integer")
    assert (grid.scale.item(), grid.zero_point.item()) == (1.0, 0)
    assert math.isclose(fit(torch.tensor([1.0]), torch.tensor([4.0]), 2, "float").zero_point.item(), 1.0)
