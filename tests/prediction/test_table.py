"""The table of a family says at every stop what the predictor says of that recipe, figures and reasons alike."""

from __future__ import annotations

import pytest

from optlab.prediction.predictor import Predictor
from optlab.prediction.table import prediction_table
from optlab.recipe_family import Knobs, RecipeFamily
from optlab.recipes import Recipe, Step
from optlab.results.document import UnreadableError
from optlab.results.prediction_table import PredictionTable
from tests.pages import samples
from tests.prediction import states


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(states.with_anchors(states.state(blocks=2), 1.3))


@pytest.fixture(scope="module")
def family() -> RecipeFamily:
    quantized = Step("quantize", "rtn", {"bits": 4, "group_size": 32})
    found = RecipeFamily.of(Recipe.of(Step("prune", "magnitude", {"sparsity": 0.5}), quantized), samples.description())
    assert found is not None
    return found


@pytest.fixture(scope="module")
def table(predictor: Predictor, family: RecipeFamily) -> PredictionTable:
    return prediction_table(predictor, family, Knobs(4, 0.37))


def test_every_point_is_the_prediction_of_its_recipe(
    predictor: Predictor, family: RecipeFamily, table: PredictionTable
) -> None:
    assert table.bits == (2, 3, 4, 5, 6, 7, 8, None)
    assert len(table.points) == len(table.bits) * len(table.sparsities)
    for bits in table.bits:
        for sparsity in table.sparsities:
            told, point = predictor.predict(family.recipe(Knobs(bits, sparsity))), table.at(bits, sparsity)
            assert (point.size_bytes, point.reason) == (told.size_bytes, told.reason)
            assert (point.delta and point.delta.nll) == told.nll
            assert (point.delta and point.delta.nll_band90) == told.nll_band90


def test_the_ends_of_both_knobs_are_the_original(table: PredictionTable) -> None:
    assert table.at(None, 0.0) == table.original
    assert table.original.delta is not None and table.original.delta.nll == 0.0


def test_where_the_knobs_stand_is_a_stop(table: PredictionTable) -> None:
    assert 0.37 in table.sparsities
    assert table.at(4, 0.37).delta is not None


def test_beyond_the_probed_sparsities_stands_why(table: PredictionTable) -> None:
    assert table.at(4, 0.95).delta is None
    assert "80%" in (table.at(4, 0.95).reason or "")


def test_training_has_no_figures_but_a_reason(predictor: Predictor, family: RecipeFamily) -> None:
    trained = prediction_table(predictor, family, Knobs(4, 0.5, 2.0))
    untold = [point for point in trained.points if point.delta is None]
    assert all(point.reason for point in untold)


def test_it_comes_back_from_its_json_as_it_was(table: PredictionTable) -> None:
    assert PredictionTable.from_json(table.to_json()) == table


def test_a_table_of_a_later_version_is_refused(table: PredictionTable) -> None:
    with pytest.raises(UnreadableError, match="version 2"):
        PredictionTable.from_json(table.to_json().replace('"version":1', '"version":2', 1))
