"""What is known of the one recipe that a page is about, whether three knobs can show it or not, in the form in which
the curve shows a stop: measured, partly measured while its run goes on, predicted, or unknown."""

from __future__ import annotations

from dataclasses import replace

from optlab.client.client import Client
from optlab.client.knob_predictions import knob_predictions
from optlab.figures import curve, curve_tiles, verdict
from optlab.figures.curve import Cell, Point
from optlab.jobs.measure import MEASURE
from optlab.jobs.measured import unreadable
from optlab.knobs import KnobbedRecipe, knobs_of
from optlab.prediction.recipe_family import RecipeFamily
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.results.measurement import MeasurementSoFar
from optlab.results.prediction_table import OriginalFigures, PredictedCell
from optlab.store.run import Run


def of(
    client: Client, model: str, recipe: Recipe, protocol: Protocol, run: Run | None, knobbed: KnobbedRecipe | None
) -> Cell:
    """The cell of `recipe`. run: its measurement, in any state; None where nobody asked for one. knobbed: the recipes
    that its knobs lead to, whose predictions are at hand; None for a recipe beyond them. Raises ModelError."""
    before = _predicted(client, model, recipe, protocol, knobbed)
    if run is None or unreadable(run) is not None:
        return before
    result = MEASURE.result_of(run)
    if result is not None:
        return curve.measured_cell(result)
    return with_news(before, MEASURE.partial_of(run)) if run.live else before


def with_news(before: Cell, known: MeasurementSoFar) -> Cell:
    """`before` with the figures that a running measurement has found in the place of those that were predicted."""
    found = curve_tiles.measured(known)
    tiles = tuple(new if new.side == "measured" else old for new, old in zip(found, before.tiles, strict=True))
    quality, size = known.quality, known.size_candidate
    if quality is None or size is None:
        return replace(before, tiles=tiles)
    point = Point(float(size), quality.ppl_ratio, *(quality.ppl_ratio_ci95 or (None, None)))
    return replace(before, side="measured", point=point, tiles=tiles, reason="", verdict=verdict.measured(known))


def _predicted(client: Client, model: str, recipe: Recipe, protocol: Protocol, knobbed: KnobbedRecipe | None) -> Cell:
    description = client.description(model)
    alone = OriginalFigures(size_bytes=0 if description is None else description.size_bytes)
    if knobbed is not None:
        now = knobs_of(recipe)
        told = knob_predictions(client, model, knobbed, now, protocol)
        return _cell(recipe, told.at(now) if told.cells else None, told.original or alone)
    table = client.prediction_table(model, RecipeFamily(recipe), protocol)
    return _cell(recipe, None, alone) if table is None else _cell(recipe, table.cells[0], table.original)


def _cell(recipe: Recipe, found: PredictedCell | None, original: OriginalFigures) -> Cell:
    """found: None where the model was not probed."""
    if recipe.is_original:
        return curve.original_cell(original)
    return curve.unknown_cell(original) if found is None else curve.predicted_cell(found, original)
