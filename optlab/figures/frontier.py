"""The frontier: the best quality that is predicted at every size, with its band, and what was measured of it.

The height is how much worse the perplexity is, in percent on a logarithmic axis: a person decides between 1 and 5 %,
which a ratio would draw as one flat line. What is better than `FLOOR`, or not worse at all, lies on the line at the
bottom.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optlab.figures import format, size_axis, style
from optlab.i18n import _

if TYPE_CHECKING:
    from pandas import DataFrame
    from plotly.graph_objects import Figure

    from optlab.prediction.frontier import Point

BAND = "rgba(217, 130, 0, 0.18)"
FLOOR = 0.05
"""Percent worse that nobody tells from nothing: a measurement of 8192 tokens hardly does."""
WORST = math.exp(12)
"""A perplexity ratio at which a model names words by lot."""
TICKS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 10_000.0, 100_000.0)


def frame(points: Sequence[Point]) -> DataFrame:
    """size_bytes, ratio, low, high, decode_ms: of the `points` that have a predicted quality."""
    from pandas import DataFrame

    rows = [
        (point.size_bytes, told.ppl_ratio, *map(_edge, told.nll_band90), told.decode_ms)
        for point in points
        if (told := point.prediction).nll_band90 is not None
    ]
    return DataFrame(rows, columns=["size_bytes", "ratio", "low", "high", "decode_ms"])


def selected(points: Sequence[Point], event: Mapping[str, Any]) -> list[int]:
    """Which of `points` a person chose on the chart. event: what the chart reports of a selection."""
    drawn = [number for number, point in enumerate(points) if point.prediction.ppl_ratio is not None]
    found = set()
    for one in (event.get("selection") or {}).get("points") or []:
        row = one.get("customdata")
        row = row[0] if isinstance(row, list | tuple) and row else row
        if isinstance(row, int) and 0 <= row < len(drawn):
            found.add(drawn[row])
    return sorted(found)


def chart(found: DataFrame, measured: DataFrame, chosen: Point | None = None) -> Figure:
    """found: `frame`; measured: rows of `frames.tradeoffs`; chosen: the point that answers the person's question.

    The customdata of a point is its row in `found`.
    """
    figure = style.figure(height=430)
    sizes = found["size_bytes"].tolist()
    high, low = (_heights(found[edge].tolist()) for edge in ("high", "low"))
    figure.add_scatter(
        x=[*sizes, *reversed(sizes)], y=[*high, *reversed(low)], fill="toself",
        fillcolor=BAND, line={"width": 0}, hoverinfo="skip", name=_("90% band"),
    )  # fmt: skip
    figure.add_scatter(
        x=sizes, y=_heights(found["ratio"].tolist()), mode="lines+markers", name=_("predicted"),
        line={"color": style.PREDICTED, "width": 2}, marker={"size": 7, "color": style.PREDICTED},
        customdata=list(range(len(found))),
        text=[f"{format.megabytes(row.size_bytes)}, {format.worse(row.ratio)}" for row in found.itertuples()],
        hovertemplate="%{text}<extra>" + _("predicted") + "</extra>",
    )  # fmt: skip
    if len(measured):
        at, top, bottom = (
            _heights(measured[name].fillna(measured["ppl_ratio"]).tolist()) for name in ("ppl_ratio", "high", "low")
        )
        figure.add_scatter(
            x=measured["size_bytes"].tolist(), y=at, mode="markers", name=_("measured"),
            marker={"size": 10, "color": style.MEASURED},
            error_y={
                "type": "data", "symmetric": False, "color": style.MEASURED, "thickness": 1.5,
                "array": [edge - height for edge, height in zip(top, at, strict=True)],
                "arrayminus": [height - edge for edge, height in zip(bottom, at, strict=True)],
            },
            text=[f"{row.recipe}: {format.worse(row.ppl_ratio)}" for row in measured.itertuples()],
            hovertemplate="%{text}<extra>" + _("measured") + "</extra>",
        )  # fmt: skip
    if chosen is not None and chosen.prediction.ppl_ratio is not None:
        figure.add_scatter(
            x=[chosen.size_bytes], y=_heights([chosen.prediction.ppl_ratio]), mode="markers", name=_("your answer"),
            marker={"size": 16, "symbol": "star", "color": style.PREDICTED, "line": {"width": 1, "color": style.BASE}},
            hoverinfo="skip",
        )  # fmt: skip
    # On a logarithmic axis Plotly takes the height of an annotation as a power of ten.
    figure.add_hline(
        y=FLOOR, line={"dash": "dot", "color": style.BASE},
        annotation={"text": format.as_good(), "y": math.log10(FLOOR), "yanchor": "bottom"},
    )  # fmt: skip
    figure.update_layout(clickmode="event+select", dragmode="select")
    drawn = [float(one) for trace in figure.data if trace.x is not None for one in trace.x]
    figure.update_xaxes(title_text=_("size of the weights"), **size_axis.layout(drawn))
    figure.update_yaxes(
        title_text=_("perplexity, % worse"), type="log", tickvals=[FLOOR, *TICKS],
        ticktext=[f"≤ {format.significant(FLOOR, 1)}%", *(f"{tick:,g}%" for tick in TICKS)],
    )  # fmt: skip
    return figure


def _heights(ratios: Sequence[float | None]) -> list[float]:
    """Percent worse, at least `FLOOR`; an edge that is not known is as high as a perplexity goes."""
    known = [WORST if ratio is None or math.isnan(ratio) else min(ratio, WORST) for ratio in ratios]
    return [max(100 * (ratio - 1), FLOOR) for ratio in known]


def _edge(nll: float) -> float:
    return math.exp(min(nll, 50.0))
