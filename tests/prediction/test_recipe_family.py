"""A family walks the knobs of one recipe, and its table says of every recipe what the predictor says of it alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from optlab.errors import RecipeError
from optlab.prediction.family_predictions import prediction_table
from optlab.prediction.predictor import Predictor
from optlab.prediction.recipe_family import RecipeFamily
from optlab.recipes import Recipe, Step
from optlab.results.prediction_table import PredictionTable
from tests.prediction.states import state, uniform, with_anchors

BOTH = uniform(4, 32, 0.3)
DISTILLED = Recipe.of(Step("prune", "magnitude", {"sparsity": 0.35}), Step("distill", "forward_kl", {}))


def test_a_family_around_a_recipe_holds_it_and_the_range_of_each_of_its_knobs() -> None:
    family = RecipeFamily.around(BOTH)
    assert family.bits == (2, 3, 4, 5, 6, 7, 8)
    assert family.sparsities[0] == 0.0 and family.sparsities[-1] == 0.95 and 0.3 in family.sparsities
    assert family.temperatures == ()
    assert BOTH in family.recipes()
    assert len(family.recipes()) == 7 * 20

    odd = RecipeFamily.around(uniform(3, 32, 0.33))
    assert 0.33 in odd.sparsities and odd.sparsities == tuple(sorted(odd.sparsities))
    assert RecipeFamily.around(DISTILLED).temperatures[0] == 0.5
    assert RecipeFamily.around(Recipe()).recipes() == [Recipe()]


@given(
    bits=some.sets(some.integers(2, 8), min_size=1, max_size=3),
    shares=some.sets(some.integers(0, 19).map(lambda n: n / 20), min_size=1, max_size=3),
)
def test_the_cell_of_settings_is_the_prediction_of_their_recipe(bits: set[int], shares: set[float]) -> None:
    predictor = Predictor(with_anchors(state(blocks=2), 1.3))
    family = RecipeFamily(BOTH, tuple(sorted(bits)), tuple(sorted(shares)))
    table = prediction_table(predictor, family, "nano")
    assert len(table.cells) == len(bits) * len(shares)
    for bit in bits:
        for share in shares:
            pruned = Step("prune", "magnitude", {"sparsity": share})
            quantized = Step("quantize", "rtn", {"bits": bit, "group_size": 32})
            alone = predictor.predict(Recipe.of(pruned, quantized)).document()
            cell = table.at(bits=bit, sparsity=share)
            assert (cell.reason, cell.size_bytes) == (alone.reason, alone.size_bytes)
            assert (cell.nll, cell.nll_band90) == (
                (alone.delta.nll, alone.delta.nll_band90) if alone.delta else (None, None)
            )


def test_a_table_travels_as_json_and_its_ratios_are_of_the_original() -> None:
    predictor = Predictor(with_anchors(state(blocks=2), 1.3))
    table = prediction_table(predictor, RecipeFamily.around(uniform(4, 32)), "nano", "shakespeare", 20.0)
    assert PredictionTable.from_json(table.to_json()) == table
    assert table.original.ppl == 20.0
    assert table.original.size_bytes == predictor.predict(Recipe()).size_bytes
    ratios = [cell.ppl_ratio or 0.0 for cell in table.cells]
    assert ratios == sorted(ratios, reverse=True) and ratios[-1] >= 1.0
    assert table.at(bits=4).size_bytes == predictor.predict(uniform(4, 32)).size_bytes
    with pytest.raises(ValueError):
        table.at(bits=9)


def test_a_knob_that_the_recipe_lacks_cannot_be_varied() -> None:
    with pytest.raises(RecipeError, match="exactly one prune step"):
        RecipeFamily(uniform(4, 32), sparsities=(0.1,))
    with pytest.raises(RecipeError, match="must rise"):
        RecipeFamily(BOTH, bits=(4, 3))
    by_layer = Recipe.of(
        Step("quantize", "rtn", {"bits": 3, "group_size": 32}, "a"),
        Step("quantize", "rtn", {"bits": 4, "group_size": 32}, "b"),
    )
    assert RecipeFamily.around(by_layer).recipes() == [by_layer]
