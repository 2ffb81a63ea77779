"""The predictions of a whole family of recipes at once, as a slider needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optlab.prediction.recipe_family import RecipeFamily
from optlab.recipes import Recipe
from optlab.results.prediction_table import OriginalFigures, PredictedCell, PredictionTable

if TYPE_CHECKING:
    from optlab.prediction.predictor import Predictor
    from optlab.results.prediction import Predicted


def prediction_table(
    predictor: Predictor, family: RecipeFamily, model: str, text: str | None = None, original_ppl: float | None = None
) -> PredictionTable:
    """What `predictor` says of every recipe of `family`. original_ppl: that of the original on `text`, if measured."""
    original = predictor.predict(Recipe())
    assert original.size_bytes is not None  # the original lies inside of every probe
    return PredictionTable(
        model=model,
        text=text,
        recipe=family.recipe,
        bits=family.bits,
        sparsities=family.sparsities,
        temperatures=family.temperatures,
        original=OriginalFigures(size_bytes=original.size_bytes, ppl=original_ppl, decode_ms=original.decode_ms),
        cells=tuple(_cell(predictor.predict(recipe).document()) for recipe in family.recipes()),
        anchors=predictor.anchors,
    )


def _cell(found: Predicted) -> PredictedCell:
    delta = found.delta
    return PredictedCell(
        reason=found.reason, note=found.note, nll=delta and delta.nll, nll_band90=delta and delta.nll_band90,
        size_bytes=found.size_bytes, decode_speedup=found.decode_speedup,
        decode_speedup_band90=found.decode_speedup_band90,
    )  # fmt: skip
