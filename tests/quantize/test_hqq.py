"""HQQ: never worse than the full range in the loss that it minimizes, and the many weights win over the few."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from optlab.formats.integer_grid import Grid, in_groups, minmax
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.methods import method
from optlab.quantize.hqq import NORM, solve
from tests.compressing import compressed, quantize, tiny
from tests.tiny import FAMILIES


def groups(seed: int, rows: int = 8, size: int = 32) -> Tensor:
    W = torch.randn(rows, 2 * size, generator=torch.Generator().manual_seed(seed))
    W[::2, 5] *= 6  # outliers in half of the rows
    return in_groups(W, size)


def errors(grid: Grid, W: Tensor) -> Tensor:
    wide = grid.unsqueeze()
    return wide.decode(wide.encode(W)) - W


@settings(deadline=None, max_examples=40)
@given(bits=st.integers(2, 8), seed=st.integers(0, 1000), iterations=st.integers(1, 40))
def test_no_group_is_worse_than_on_the_full_range_in_the_loss_that_is_minimized(bits, seed, iterations):
    W = groups(seed)
    plain, found = minmax(W, bits, "float"), solve(W, bits, iterations)
    ours, theirs = (errors(grid, W).abs().pow(NORM).mean(-1) for grid in (found, plain))
    # Zeros are stored in 16 bits, which can cost the last digits.
    assert bool((ours <= theirs * 1.02 + 1e-4).all())
    assert torch.equal(found.scale, plain.scale)


def test_beside_an_outlier_most_weights_are_met_more_closely():
    W = groups(0, rows=400)[::2, :1]
    plain, found = errors(minmax(W, 3, "float"), W).abs(), errors(solve(W, 3, 20), W).abs()
    assert found.median() < 0.95 * plain.median()


@pytest.mark.parametrize("value", [0.0, 1.5, -3.0])
def test_groups_of_one_number_are_exact(value):
    W = torch.full((2, 1, 16), value)
    assert torch.equal(errors(solve(W, 4, 20), W), torch.zeros_like(W))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_quantized_without_a_text(family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))
    model = tiny(family, tmp_path)
    found = compressed(model, tmp_path, quantize(method="hqq", bits=8))
    assert set(found.stored) == set(model.linear_names())
    assert all(kept.zero == "float" for kept in found.stored.values() if isinstance(kept, QuantizedTensor))
    assert all(layer.output_error < 0.02 for layer in found.layers)
    assert not method("quantize", "hqq").needs_calibration
