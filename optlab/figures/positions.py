"""Where a person was while moving the knobs: the recipe on the page, and ghosts of the last ones, size against quality.

A move of a slider is an answer to a question only beside what it was before. So the last positions stay, fainter the
older they are, joined in the order in which they were visited.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optlab.figures import format, size_axis, style
from optlab.i18n import _
from optlab.prediction.predictor import Prediction
from optlab.recipes import Recipe
from optlab.results.measurement import Measurement

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

GHOSTS = 5
FAINTEST, PLAINEST = 0.25, 0.7
MARGIN = 0.08
"""Of the largest size, on both sides, so that one point alone has an axis too."""


@dataclass(frozen=True)
class Position:
    """A recipe that was looked at. ratio: perplexity over the original's, with low and high the ends of its interval;
    side: "predicted" or "measured", which decides the colour."""

    recipe: str
    title: str
    size_bytes: float
    ratio: float
    low: float
    high: float
    side: str


def measured(recipe: Recipe, result: Measurement) -> Position | None:
    """The position of a measurement; None where its quality is beyond measure."""
    ratio = result.delta.ppl_ratio
    if not math.isfinite(ratio):
        return None
    low, high = result.delta.ppl_ratio_ci95 or (ratio, ratio)
    return Position(recipe.content_hash, recipe.describe(), result.compressed.size_bytes, ratio, low, high, "measured")


def predicted(recipe: Recipe, told: Prediction) -> Position | None:
    """The position of a prediction; None outside what was probed."""
    if told.size_bytes is None or told.ppl_ratio is None or told.ppl_ratio_band90 is None:
        return None
    return Position(
        recipe.content_hash, recipe.describe(), told.size_bytes, told.ppl_ratio, *told.ppl_ratio_band90, "predicted"
    )


def visited(before: Sequence[Position], now: Position) -> list[Position]:
    """`before` and `now`, at most the last `GHOSTS` before it; the same recipe again only takes its new figures."""
    others = list(before[:-1]) if before and before[-1].recipe == now.recipe else list(before)
    return [*others[-GHOSTS:], now]


def chart(found: Sequence[Position]) -> Figure:
    """found: `visited`, the one that is looked at last. A point's customdata begins with the title of its recipe."""
    traces: list[dict[str, object]] = [{
        "type": "scatter", "x": [one.size_bytes for one in found], "y": [one.ratio for one in found], "mode": "lines",
        "hoverinfo": "skip", "line": {"color": style.BASE, "width": 1, "dash": "dot"},
    }]  # fmt: skip
    *ghosts, now = found
    error = {
        "type": "data", "symmetric": False, "array": [now.high - now.ratio], "arrayminus": [now.ratio - now.low],
        "thickness": 2, "width": 5, "color": style.MEANING[now.side],
    }  # fmt: skip
    if ghosts:
        faint = [FAINTEST + (PLAINEST - FAINTEST) * (number + 1) / len(ghosts) for number in range(len(ghosts))]
        traces.append(_markers(ghosts, 10, faint))
    traces.append(_markers([now], 15, [1.0]) | {"error_y": error})
    highest = max(one.ratio for one in found)
    original = {
        "type": "line", "xref": "x domain", "x0": 0, "x1": 1, "y0": 1.0, "y1": 1.0,
        "line": {"dash": "dot", "color": style.BASE},
    }  # fmt: skip
    smallest, largest = (edge(one.size_bytes for one in found) for edge in (min, max))
    return style.figure(
        height=280, data=traces, showlegend=False, shapes=[original],
        x={
            "title": {"text": _("size of the weights")}, **size_axis.layout([smallest, largest]),
            "range": [smallest - MARGIN * largest, largest * (1 + MARGIN)],
        },
        y={"title": {"text": _("perplexity, times the original")}, "type": "log" if highest > 4 else "linear"},
    )  # fmt: skip


def _markers(some: Sequence[Position], size: int, opacity: Sequence[float]) -> dict[str, object]:
    """One trace for all of them: a browser draws it in a fraction of the time of as many traces."""
    told = [f"{format.megabytes(one.size_bytes)}, {format.worse(one.ratio)} ({_(one.side)})" for one in some]
    return {
        "type": "scatter", "mode": "markers", "x": [one.size_bytes for one in some], "y": [one.ratio for one in some],
        "customdata": [[one.title, words] for one, words in zip(some, told, strict=True)],
        "marker": {"size": size, "color": [style.MEANING[one.side] for one in some], "opacity": list(opacity)},
        "hovertemplate": "%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
    }  # fmt: skip
