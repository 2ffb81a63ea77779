"""What was paid for what was saved: every finished measurement as a point of size against quality, and the original.

Down and to the left is better. The colour and the size of a point tell its latency, on a scale that spans at least a
factor of 1.5, so that the noise of a machine never looks like a difference; a point that was never timed is an open
circle. The error bars are the paired 95% intervals of the perplexity ratio. A line joins what nothing else beats in
both size and quality.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optlab.figures import format, style, worse_axis
from optlab.i18n import _

if TYPE_CHECKING:
    from pandas import DataFrame, Series
    from plotly.graph_objects import Figure

SMALLEST, LARGEST = 11.0, 26.0
LEAST_SPAN = 1.5


def scatter(frame: DataFrame, marked: int | None = None, height: int = 430) -> Figure:
    """Size against percent worse. frame: `frames.tradeoffs` of one model; the first item of customdata is the run's id.
    marked: the run that gets a ring. height: pixels."""
    figure = style.figure(height=height)
    timed, untimed = frame[frame["decode_ms"].notna()], frame[frame["decode_ms"].isna()]
    if len(timed):
        fastest, slowest = _span(timed["decode_ms"])
        figure.add_scatter(
            **_points(timed), name=_("timed"),
            marker={
                "size": (SMALLEST + (LARGEST - SMALLEST) * _share(timed["decode_ms"])).tolist(),
                "color": timed["decode_ms"].tolist(), "cmin": fastest, "cmax": slowest, "colorscale": style.SCALE,
                "line": {"width": 1, "color": "rgba(127,138,150,0.8)"}, "opacity": 0.92,
                "colorbar": {"title": {"text": _("ms per token")}, "thickness": 12, "outlinewidth": 0},
            },
        )  # fmt: skip
    if len(untimed):
        figure.add_scatter(
            **_points(untimed),
            name=_("latency not measured"),
            marker={"size": SMALLEST, "symbol": "circle-open", "color": style.BASE, "line": {"width": 2}},
        )
    _add_original(figure, frame)
    _add_unbeaten(figure, frame)
    if marked is not None:
        _add_ring(figure, frame[frame["run"] == marked])
    ends = [one for name in ("ppl_ratio", "low", "high") for one in frame[name].dropna()]
    places, labels = worse_axis.ticks(ends)
    figure.add_hline(y=0.0, line={"dash": "dot", "color": style.BASE})
    figure.update_layout(showlegend=bool(len(timed) and len(untimed)), clickmode="event+select", dragmode="pan")
    figure.update_xaxes(title_text=_("size of the weights"), tickformat=".3~s", ticksuffix="B", rangemode="tozero")
    figure.update_yaxes(title_text=_("perplexity against the original"), tickvals=places, ticktext=labels)
    return figure


def unbeaten(frame: DataFrame) -> DataFrame:
    """The rows than which no other is both as small and as good (the Pareto front), the smallest first."""
    found = frame.sort_values(["size_bytes", "ppl_ratio"])
    return found[found["ppl_ratio"] < found["ppl_ratio"].cummin().shift(fill_value=float("inf"))]


def _add_original(figure: Figure, frame: DataFrame) -> None:
    for size in sorted(set(frame["base_bytes"].dropna()))[-1:]:  # one model: its weights have one size
        figure.add_scatter(
            x=[size], y=[0.0], mode="markers+text", text=[_("original")], textposition="top center",
            textfont={"color": style.BASE}, showlegend=False, name=_("original"),
            marker={"symbol": "diamond", "size": SMALLEST, "color": style.BASE},
            hovertemplate=f"<b>{_('original')}</b><br>{format.megabytes(size)}<extra></extra>",
        )  # fmt: skip


def _add_unbeaten(figure: Figure, frame: DataFrame) -> None:
    best = unbeaten(frame)
    if len(best) > 1:
        figure.add_scatter(
            x=best["size_bytes"].tolist(), y=[worse_axis.place(one) for one in best["ppl_ratio"]], mode="lines",
            line={"color": style.BASE, "width": 1, "dash": "dot"}, hoverinfo="skip", showlegend=False,
            name=_("smallest for its quality"),
        )  # fmt: skip


def _add_ring(figure: Figure, rows: DataFrame) -> None:
    figure.add_scatter(
        x=rows["size_bytes"].tolist(), y=[worse_axis.place(one) for one in rows["ppl_ratio"]], mode="markers",
        hoverinfo="skip", showlegend=False, name=_("recommended"),
        marker={"symbol": "circle-open", "size": LARGEST + 10, "color": style.MEASURED, "line": {"width": 3}},
    )  # fmt: skip


def _points(frame: DataFrame) -> dict[str, object]:
    return {
        "x": frame["size_bytes"].tolist(),
        "y": frame["ppl_ratio"].map(worse_axis.place).tolist(),
        "mode": "markers",
        "error_y": {
            "type": "data", "symmetric": False, "thickness": 1.5, "width": 4, "color": style.BASE,
            "array": [_between(one, high) for one, high in zip(frame["ppl_ratio"], frame["high"], strict=True)],
            "arrayminus": [_between(low, one) for low, one in zip(frame["low"], frame["ppl_ratio"], strict=True)],
        },
        "customdata": [
            (row.run, row.model, row.recipe, format.megabytes(row.size_bytes), format.worse(row.ppl_ratio),
             format.milliseconds(row.decode_ms if row.decode_ms == row.decode_ms else None), row.ppl_ratio)
            for row in frame.itertuples()
        ],
        "hovertemplate": (
            "<b>%{customdata[2]}</b><br>%{customdata[1]}, #%{customdata[0]}<br>%{customdata[3]}<br>"
            "%{customdata[4]} (x %{customdata[6]:.5g})<br>%{customdata[5]}<extra></extra>"
        ),
    }  # fmt: skip


def _between(low: float, high: float) -> float:
    """How far apart two ratios are drawn; 0 where one of them is not known."""
    return 0.0 if low != low or high != high else worse_axis.place(high) - worse_axis.place(low)


def _span(ms: Series[float]) -> tuple[float, float]:
    """The ends of the scale of latency: those of `ms`, or further apart around their middle."""
    fastest, slowest = float(ms.min()), float(ms.max())
    middle = (fastest * slowest) ** 0.5
    return min(fastest, middle / LEAST_SPAN**0.5), max(slowest, middle * LEAST_SPAN**0.5)


def _share(ms: Series[float]) -> Series[float]:
    """Where each lies on the scale, from 0 (fastest) to 1."""
    fastest, slowest = _span(ms)
    return (ms - fastest) / (slowest - fastest)
