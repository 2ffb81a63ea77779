"""Zeros by pattern: exact counts, against sorting, against torch.nn.utils.prune, and against trying every mask."""

from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune

from optlab.errors import RecipeError
from optlab.methods import method
from optlab.prune.masks import lowest, lowest_of_neighbours, lowest_of_rows
from optlab.prune.pattern import FINE


def scores(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.83])
def test_the_lowest_of_a_layer_are_those_of_torch(share):
    layer = nn.Linear(24, 10, bias=False)
    prune.l1_unstructured(layer, "weight", amount=share)
    mask = lowest(layer.weight_orig.detach().abs(), round(share * 240))
    assert torch.equal(mask, layer.weight_mask == 0)


@given(count=st.integers(0, 12), seed=st.integers(0, 100))
def test_every_row_loses_as_many_and_the_lowest(count, seed):
    S = scores(7, 12, seed)
    mask = lowest_of_rows(S, count)
    assert (mask.sum(1) == count).all()
    for row, gone in zip(S, mask, strict=True):
        assert set(row[gone].tolist()) == set(row.sort().values[:count].tolist())


@pytest.mark.parametrize("pattern", list(FINE))
@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 100))
def test_of_every_group_the_best_choice_of_n_is_kept(pattern, seed):
    kept, of = FINE[pattern]
    S = scores(3, 3 * of, seed)
    mask = lowest_of_neighbours(S, pattern)
    for group, gone in zip(S.view(-1, of), mask.view(-1, of), strict=True):
        best = max(combinations(range(of), kept), key=lambda chosen, g=group: float(g[list(chosen)].sum()))
        assert tuple((~gone).nonzero().squeeze(1).tolist()) == best


@pytest.mark.parametrize("name", ["magnitude", "wanda", "sparsegpt", "random"])
def test_a_pattern_that_fixes_the_share_refuses_another(name):
    found = method("prune", name)
    assert "2:4" in found.describe(found.check({"pattern": "2:4"}))
    with pytest.raises(RecipeError, match=r"keeps 2 of every 4 weights; use sparsity 0\.5"):
        found.check({"pattern": "2:4", "sparsity": 0.6})
    with pytest.raises(RecipeError, match=r"needs rows that 8 divides; a\.b has 28 columns"):
        found.check_layer(found.check({"pattern": "4:8"}), "a.b", (16, 28))
    found.check_layer(found.check({"pattern": "2:4"}), "a.b", (16, 28))
