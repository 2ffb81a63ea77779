"""The frontier: the best quality that is predicted at every size, with its band, and what was measured of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optlab.figures import format, style
from optlab.words import _

if TYPE_CHECKING:
    from pandas import DataFrame
    from plotly.graph_objects import Figure

BAND = "rgba(217, 130, 0, 0.18)"


def frame(points: Sequence[Mapping[str, Any]]) -> DataFrame:
    """size_bytes, ratio, low, high, decode_ms: of the `points` of `frontier --json` that have one."""
    from pandas import DataFrame

    rows = [
        (point["size_bytes"], point["ppl_ratio"], *(_edge(edge) for edge in point["nll_band90"]),
         point.get("decode_ms_per_token"))
        for point in points
        if point.get("ppl_ratio") is not None
    ]  # fmt: skip
    return DataFrame(rows, columns=["size_bytes", "ratio", "low", "high", "decode_ms"])


def selected(points: Sequence[Mapping[str, Any]], event: Mapping[str, Any]) -> list[int]:
    """Which of `points` a person chose on the chart. event: what the chart reports of a selection."""
    drawn = [number for number, point in enumerate(points) if point.get("ppl_ratio") is not None]
    found = set()
    for one in (event.get("selection") or {}).get("points") or []:
        row = one.get("customdata")
        row = row[0] if isinstance(row, list | tuple) and row else row
        if isinstance(row, int) and 0 <= row < len(drawn):
            found.add(drawn[row])
    return sorted(found)


def chart(found: DataFrame, measured: DataFrame, chosen: Mapping[str, Any] | None = None) -> Figure:
    """found: `frame`; measured: rows of `frames.tradeoffs`; chosen: the point that answers the person's question.

    The customdata of a point is its row in `found`.
    """
    figure = style.figure(height=430)
    sizes = found["size_bytes"].tolist()
    figure.add_scatter(
        x=[*sizes, *reversed(sizes)], y=[*found["high"], *reversed(found["low"].tolist())], fill="toself",
        fillcolor=BAND, line={"width": 0}, hoverinfo="skip", name=_("90 % band"),
    )  # fmt: skip
    figure.add_scatter(
        x=sizes, y=found["ratio"].tolist(), mode="lines+markers", name=_("predicted"),
        line={"color": style.PREDICTED, "width": 2}, marker={"size": 7, "color": style.PREDICTED},
        customdata=list(range(len(found))),
        text=[f"{format.megabytes(row.size_bytes)}, {format.worse(row.ratio)}" for row in found.itertuples()],
        hovertemplate="%{text}<extra>" + _("predicted") + "</extra>",
    )  # fmt: skip
    if len(measured):
        figure.add_scatter(
            x=measured["size_bytes"].tolist(), y=measured["ppl_ratio"].tolist(), mode="markers", name=_("measured"),
            marker={"size": 10, "color": style.MEASURED},
            error_y={
                "type": "data", "symmetric": False, "color": style.MEASURED, "thickness": 1.5,
                "array": (measured["high"] - measured["ppl_ratio"]).fillna(0).tolist(),
                "arrayminus": (measured["ppl_ratio"] - measured["low"]).fillna(0).tolist(),
            },
            text=[f"{row.recipe}: {format.worse(row.ppl_ratio)}" for row in measured.itertuples()],
            hovertemplate="%{text}<extra>" + _("measured") + "</extra>",
        )  # fmt: skip
    if chosen is not None and chosen.get("ppl_ratio") is not None:
        figure.add_scatter(
            x=[chosen["size_bytes"]], y=[chosen["ppl_ratio"]], mode="markers", name=_("your answer"),
            marker={"size": 16, "symbol": "star", "color": style.PREDICTED, "line": {"width": 1, "color": style.BASE}},
            hoverinfo="skip",
        )  # fmt: skip
    # On a logarithmic axis Plotly takes the height of an annotation as a power of ten.
    figure.add_hline(y=1.0, line={"dash": "dot", "color": style.BASE}, annotation={"text": _("original"), "y": 0})
    figure.update_layout(clickmode="event+select", dragmode="select")
    figure.update_xaxes(title_text=_("size of the weights"), tickformat=".3~s", ticksuffix="B")
    figure.update_yaxes(title_text=_("perplexity, times the original"), type="log")
    return figure


def _edge(nll: float | None) -> float | None:
    return None if nll is None else math.exp(min(nll, 50.0))
