"""A look inside a layer counts what is there: every weight in the histogram, every level of the group, the error."""

from __future__ import annotations

import pytest
import torch

from optlab.evaluation.layer_inspection import BINS, CELLS, inspect_layer
from optlab.formats.integer_grid import in_groups, minmax
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.formats.sparse_tensor import SparseTensor


@pytest.fixture
def W() -> torch.Tensor:
    return torch.randn(96, 192, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("bits", [2, 4])
@pytest.mark.parametrize("zero", ["none", "integer", "float"])
def test_the_weights_of_the_group_sit_on_its_levels(W: torch.Tensor, bits: int, zero: str) -> None:
    stored = QuantizedTensor.of(W, minmax(in_groups(W, 64), bits, zero), 64)  # type: ignore[arg-type]
    found = inspect_layer(W, stored.dequantize(), stored)
    group = found.group
    assert len(group.levels) == 2**bits
    assert list(group.levels) == sorted(group.levels)
    for value in group.after:
        assert min(abs(value - level) for level in group.levels) < 1e-6
    assert group.before == pytest.approx(W[group.row, group.begin : group.begin + 64].tolist())
    assert group.begin % 64 == 0


def test_error_and_map_are_those_of_a_change_made_by_hand(W: torch.Tensor) -> None:
    after = W.clone()
    after[:, 0] += 1.0
    found = inspect_layer(W, after, None)
    rms = float(W.square().mean().sqrt())
    assert found.error == pytest.approx((1 / 192) ** 0.5 / rms, rel=1e-4)
    assert found.largest == pytest.approx(1.0, rel=1e-5)
    cells = torch.tensor(found.map.error)
    assert cells.shape == (48, 48)
    assert (found.map.rows_per_cell, found.map.columns_per_cell) == (2, 4)
    assert torch.allclose(cells[:, 0], torch.tensor(0.5 / rms), rtol=1e-4)  # one column of four moved by one
    assert not cells[:, 1:].any()


def test_almost_every_weight_is_in_the_histogram(W: torch.Tensor) -> None:
    found = inspect_layer(W, W, None).histogram
    assert len(found.edges) == BINS + 1
    assert found.before == found.after
    assert 0.999 * W.numel() <= sum(found.before) <= W.numel()


def test_a_pruned_layer_shows_its_zeros(W: torch.Tensor) -> None:
    pruned = W.masked_fill(W.abs() < 0.5, 0.0)
    found = inspect_layer(W, pruned, SparseTensor(pruned))
    assert found.sparsity == pytest.approx(float((pruned == 0).float().mean()))
    assert 0.0 in found.group.after


@pytest.mark.parametrize("shape", [(1, 32), (500, 7), (48, 49)])
def test_any_shape_fits_the_map(shape: tuple[int, int]) -> None:
    W = torch.randn(*shape)
    cells = inspect_layer(W, W + 1, None).map.error
    assert 1 <= len(cells) <= CELLS
    assert 1 <= len(cells[0]) <= CELLS
