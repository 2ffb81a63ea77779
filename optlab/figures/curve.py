"""What the curve under the finger draws: every stop of the knobs with its figures and its words, ready to be shown.

The browser looks a stop up and puts it on the screen (`assets/curve`): it formats no number and translates no word, so
what stands there while a knob is dragged is what Python says. A stop that was measured shows that, and no prediction.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

from optlab.client.client import Client
from optlab.client.knob_predictions import KnobPredictions, knob_predictions, measured
from optlab.errors import OptLabError
from optlab.figures import curve_axes, curve_tiles, verdict
from optlab.figures.curve_axes import Axis
from optlab.figures.curve_tiles import Tile
from optlab.figures.curve_words import Knob, knobs_in_words, words
from optlab.figures.softened import Softened
from optlab.files import JsonObject
from optlab.i18n import _, language, said, sentence
from optlab.jobs.measured import MeasuredRun
from optlab.knobs import KnobbedRecipe, Knobs
from optlab.models.describe import Description
from optlab.prediction.frontier import Frontier
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.results.measurement import Headline, Measurement
from optlab.results.prediction_table import OriginalFigures, PredictedCell

if TYPE_CHECKING:
    from optlab.prediction.predictor import Predictor

DOTS = 40
"""Measurements that are drawn, the newest."""


@dataclass(frozen=True)
class Point:
    """size: bytes. ratio: perplexity over the original's, with the ends of its interval or band; None is an end that
    is open."""

    size: float
    ratio: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Cell:
    """One stop. side: 'measured', 'predicted' or 'unknown'. point: None where the quality or the size is not known.
    reason: why nothing is predicted, as a sentence; '' where something is. verdict: see `optlab.figures.verdict`."""

    side: str
    point: Point | None
    tiles: tuple[Tile, ...]
    reason: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class Dot:
    """A measurement, in words and as a point."""

    words: str
    point: Point


@dataclass(frozen=True)
class Curve:
    """stands: where the knobs are put, for whoever sees `token` the first time. training: whether the recipes train.
    usual_temperature: where that knob stands while nothing is trained. cells: for each stop of bits one for each stop
    of sparsity, row after row; none for a recipe beyond three knobs. original: bytes of the original; None where they
    are not known. dots: what was measured of this model. frontier: the best that is predicted at each size, smallest
    first. record: how right earlier predictions were, as a sentence. softened: what the teacher says at each stop of
    the temperature; None where nobody trains, or it is not known."""

    token: str
    stands: Knobs

    bits: Knob
    sparsity: Knob
    temperature: Knob
    training: bool
    usual_temperature: float
    cells: tuple[Cell, ...]
    original: float | None
    dots: tuple[Dot, ...]
    frontier: tuple[Point, ...]
    size_axis: Axis
    loss_axis: Axis
    record: str
    words: dict[str, str]
    softened: Softened | None = None

    def to_json(self) -> str:
        """For `assets/curve`."""
        few = asdict(replace(self, cells=(), dots=(), frontier=()))
        many = (f'"{name}": [{", ".join(map(_json, getattr(self, name)))}]' for name in MANY)
        return ", ".join([_dumps({name: few[name] for name in few if name not in MANY})[:-1], *many]) + "}"


MANY = ("cells", "dots", "frontier")
"""Parts of a curve that hold a hundred things and more."""


@lru_cache(maxsize=4096)
def _json(part: Cell | Dot | Point) -> str:
    """A page is drawn anew for every move of a knob, and hardly any of its cells are others than before."""
    return _dumps(asdict(part))


def _dumps(part: JsonObject) -> str:
    return json.dumps(part, allow_nan=False)  # what JavaScript reads has no NaN


def of(
    client: Client, description: Description, knobbed: KnobbedRecipe, now: Knobs, protocol: Protocol,
    token: str = "", stands: Knobs | None = None,
) -> Curve:  # fmt: skip
    """The curve of the model of `description` on the text of `protocol`, from what was measured and probed so far.

    now: where the knobs are; token, stands: see `Curve`; `now` unless given. Raises ModelError.
    """
    model, stored = description.model, 32 if "32" in description.dtype else 16
    told = knob_predictions(client, model, knobbed, now, protocol)
    record, known = sentence(client.ledger(model).in_words()), measured(client, model, protocol)
    best = best_at_each_size(client.predictor(model, protocol))
    alone = OriginalFigures(size_bytes=description.size_bytes)
    return curve(knobbed, now, told, known, alone, stored, token, stands or now, record, best)


def without_knobs(client: Client, description: Description, protocol: Protocol, token: str = "") -> Curve:
    """What surrounds a recipe that three knobs cannot show. Raises ModelError."""
    model = description.model
    known, best = measured(client, model, protocol), best_at_each_size(client.predictor(model, protocol))
    none, record = Knob("", "", ()), sentence(client.ledger(model).in_words())
    return Curve(
        token, Knobs(), none, none, none, False, 0.0, (), *_ground((), _dots(known), best, description.size_bytes),
        record, words(),
    )  # fmt: skip


@lru_cache(maxsize=4)
def best_at_each_size(predictor: Predictor | None) -> tuple[Point, ...]:
    """The frontier as points; none where nothing is predicted, or the probe is not far enough for one. The table found
    them, the link predicts them: where that sees a smaller one ahead, the larger is not the best of its size."""
    if predictor is None:
        return ()
    try:
        found = Frontier(predictor).points()
    except OptLabError:
        return ()
    best: list[Point] = []
    for one in found:
        told = one.prediction
        if told.ppl_ratio is not None and (not best or told.ppl_ratio < best[-1].ratio):
            best.append(Point(float(one.size_bytes), told.ppl_ratio, *(told.ppl_ratio_band90 or (None, None))))
    return tuple(best)


def curve(
    knobbed: KnobbedRecipe, now: Knobs, told: KnobPredictions, measured: Sequence[MeasuredRun],
    alone: OriginalFigures, stored: int, token: str, stands: Knobs, record: str, frontier: tuple[Point, ...] = (),
) -> Curve:  # fmt: skip
    """`of`, from what is known. measured: of this model on this text, newest first. alone: what is known of the
    original without a probe; stored: bits of a weight of it."""
    stops = [Knobs(bits, sparsity, now.temperature) for bits, sparsity in product(told.bits, told.sparsities)]
    here = _at_stops(knobbed, stops, measured)
    unknown = unknown_cell(alone)
    cells = tuple(_cell(stop, told, here.get(stop), alone, unknown) for stop in stops)
    original = (told.original or alone).size_bytes
    bits, sparsity, temperature = knobs_in_words(knobbed, now, told, stored)
    return Curve(
        token, stands, bits, sparsity, temperature, now.temperature is not None,
        float(knobbed.distill.values["temperature"] or 0.0), cells,
        *_ground(cells, _dots(measured), frontier, original), record, words(),
    )  # fmt: skip


def _dots(measured: Sequence[MeasuredRun]) -> tuple[Dot, ...]:
    """The newest of each recipe."""
    known: dict[str, MeasuredRun] = {}
    for one in measured:
        if isinstance(one.spec.recipe, Recipe):
            known.setdefault(one.recipe_hash, one)
            if len(known) == DOTS:
                break
    return tuple(dot for one in known.values() if (dot := _dot(one)) is not None)


def _ground(
    cells: tuple[Cell, ...], dots: tuple[Dot, ...], frontier: tuple[Point, ...], original: int | None
) -> tuple[float | None, tuple[Dot, ...], tuple[Point, ...], Axis, Axis]:
    """What stands still while knobs move, and the axes that hold all of it."""
    points = [*(cell.point for cell in cells if cell.point), *(dot.point for dot in dots), *frontier]
    sizes = [point.size for point in points] + ([float(original)] if original else [])
    axes = curve_axes.size(sizes), curve_axes.loss([point.ratio for point in points])
    return float(original) if original else None, dots, frontier, *axes


def _at_stops(
    knobbed: KnobbedRecipe, stops: Sequence[Knobs], measured: Iterable[MeasuredRun]
) -> dict[Knobs, MeasuredRun]:
    """The newest measurement at each of `stops` that has one; a recipe of another family is none."""
    possible, found = set(stops), dict[Knobs, MeasuredRun]()
    for one in measured:
        knobs = one.knobs
        if knobs in possible and knobs not in found and knobbed.recipe(knobs) == one.spec.recipe:
            found[knobs] = one
    return found


def _cell(
    stop: Knobs, told: KnobPredictions, measured: MeasuredRun | None, alone: OriginalFigures, unknown: Cell
) -> Cell:
    if measured is not None:
        return measured_cell(measured.result)
    if stop.bits is None and not stop.sparsity and stop.temperature is None:
        return original_cell(told.original or alone)
    return unknown if told.original is None else predicted_cell(told.at(stop), told.original)


def unknown_cell(original: OriginalFigures) -> Cell:
    """A recipe that was not measured, of a model that was not probed."""
    return Cell("unknown", None, curve_tiles.unknown(original), curve_tiles.not_probed())


def measured_cell(result: Measurement) -> Cell:
    """A recipe that was measured."""
    return Cell("measured", _measured_point(result), curve_tiles.measured(result), verdict=verdict.measured(result))


def original_cell(original: OriginalFigures) -> Cell:
    """The model as it is."""
    words = sentence(_("this is the original; move a knob to see what it would become"))
    return Cell(
        "unknown", Point(float(original.size_bytes), 1.0, 1.0, 1.0), curve_tiles.of_original(original), "", words
    )


def predicted_cell(cell: PredictedCell, original: OriginalFigures) -> Cell:
    """A recipe that was not, of a model that was probed."""
    return _predicted_cell(cell, original, language())


@lru_cache(maxsize=4096)
def _predicted_cell(cell: PredictedCell, original: OriginalFigures, language: str) -> Cell:
    """In words of the language that is asked for."""
    reason = "" if cell.nll is not None else curve_tiles.not_predicted()
    point = _predicted_point(cell)
    side = "predicted" if point is not None else "unknown"
    told = verdict.predicted(cell, original.size_bytes)
    return Cell(side, point, curve_tiles.predicted(cell, original), reason, told)


def _predicted_point(cell: PredictedCell) -> Point | None:
    if cell.ppl_ratio is None or cell.size_bytes is None:
        return None
    low, high = (curve_tiles.ratio(edge) for edge in cell.nll_band90 or (None, None))
    return Point(float(cell.size_bytes), cell.ppl_ratio, low, high)


def _measured_point(result: Measurement | Headline) -> Point | None:
    delta, size = result.delta, float(result.compressed.size_bytes)
    low, high = (curve_tiles.finite(end) for end in delta.ppl_ratio_ci95 or (None, None))
    return Point(size, delta.ppl_ratio, low, high) if math.isfinite(delta.ppl_ratio) else None


def _dot(one: MeasuredRun) -> Dot | None:
    point = _measured_point(one.headline)
    return None if point is None else Dot(said(one.title), point)
