"""The grid of the lessons is the grid of the library, and an outlier does what the formula says."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from optlab.errors import RecipeError
from optlab.formats.integer_grid import in_groups, minmax
from optlab.lessons import grid
from optlab.lessons.weights import Weights
from tests.lessons.conftest import LAYER


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize(("bits", "group"), [(2, 32), (3, 64), (4, 128), (8, 256)])
def test_codes_and_values_equal_those_of_the_library(nano: Weights, bits: int, group: int, symmetric: bool) -> None:
    row = nano[LAYER][5]
    found = grid.rounded(row, bits, group, symmetric)
    groups = in_groups(torch.from_numpy(row)[None], group)
    expected = minmax(groups, bits, "none" if symmetric else "integer").unsqueeze()
    codes = expected.encode(groups)
    np.testing.assert_array_equal(found.codes, codes.flatten().numpy())
    np.testing.assert_array_equal(found.after, expected.decode(codes).flatten().numpy())


def test_every_weight_sits_on_the_nearest_level_of_its_group(nano: Weights) -> None:
    found = grid.rounded(nano[LAYER][0], 3, 64)
    for number, levels in enumerate(found.levels):
        some = slice(64 * number, 64 * number + 64)
        nearest = levels[np.abs(levels[None] - found.before[some, None]).argmin(1)]
        np.testing.assert_allclose(np.abs(nearest - found.before[some]), np.abs(found.after[some] - found.before[some]))


def test_a_weight_pays_its_share_of_scale_and_zero_point() -> None:
    row = np.linspace(-1, 1, 128, dtype=np.float32)
    assert grid.rounded(row, 4, 32).bits_per_weight == 4 + 24 / 32
    assert grid.rounded(row, 4, 128, symmetric=True).bits_per_weight == 4 + 16 / 128


def test_every_further_bit_about_halves_the_error(nano: Weights) -> None:
    errors = [grid.rounded(nano[LAYER][0], bits, 128).error for bits in range(3, 9)]
    assert all(1.6 < wide / narrow < 2.6 for wide, narrow in itertools.pairwise(errors))


def test_an_outlier_spoils_its_own_group_and_no_other(nano: Weights) -> None:
    row, factors = nano[LAYER][0], np.array([1.0, 4.0, 16.0])
    found = grid.outlier(row, 10, 4, (32, 256), factors)
    assert (np.diff(found.errors[256]) > 0).all()
    # at most one group of 32 among 256 weights can be lost entirely
    assert found.errors[32][-1] < np.sqrt(32 / 256) * 2 < 2 * found.errors[256][-1]
    changed = grid.grown(row, 10, 16.0)
    apart = grid.rounded(changed, 4, 32).after[32:]
    np.testing.assert_array_equal(apart, grid.rounded(row, 4, 32).after[32:])


def test_a_group_that_does_not_divide_the_row_is_refused(nano: Weights) -> None:
    with pytest.raises(RecipeError, match="a group that divides 256"):
        grid.rounded(nano[LAYER][0], 4, 100)
