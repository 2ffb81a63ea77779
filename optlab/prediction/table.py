"""The predictions of a whole recipe family, one for every stop of the knobs, so that nobody interpolates."""

from __future__ import annotations

from itertools import product
from typing import Protocol

from optlab.prediction.predictor import Prediction
from optlab.recipe_family import Knobs, RecipeFamily
from optlab.recipes import Recipe
from optlab.results.prediction_table import PredictionTable, TablePoint


class Predicting(Protocol):
    """What a table is made with; `optlab.prediction.predictor.Predictor` is one."""

    def predict(self, recipe: Recipe) -> Prediction:
        """What to expect of `recipe`."""


def prediction_table(
    predictor: Predicting, family: RecipeFamily, now: Knobs, text: str | None = None
) -> PredictionTable:
    """Predict `family` at every stop of bits and sparsity, and at those of `now`, whose temperature all share.

    Where the predictor knows nothing of a recipe, its point has the reason instead of figures.
    """
    bits, sparsities = family.bits(now.bits), family.sparsities(now.sparsity)
    original = predictor.predict(Recipe())
    stops = (Knobs(*stop, now.temperature) for stop in product(bits, sparsities))
    points = tuple(_told(predictor.predict(family.recipe(stop))) for stop in stops)
    return PredictionTable(
        model=original.model, text=text, recipe=family.recipe(now), anchors=original.anchors, bits=tuple(bits),
        sparsities=tuple(sparsities), original=_told(original), points=points,
    )  # fmt: skip


def _told(prediction: Prediction) -> TablePoint:
    document = prediction.document()
    return TablePoint(**{name: getattr(document, name) for name in TablePoint.model_fields})
