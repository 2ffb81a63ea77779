"""What was paid for what was saved: every finished measurement as a point of size against quality, and the original.

Down and to the left is better. The colour and the size of a point tell its time per token over that of its own
original, timed with it in turns: times of different days say more of the machine than of the model. The scale spans at
least a factor of 1.5, and what cannot be told from its original is drawn like it, so that noise never looks like a
difference; a point that was never timed is an open circle. The error bars are the paired 95% intervals of the
perplexity ratio. A line joins what nothing else beats in both size and quality.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from optlab.figures import format, size_axis, style, worse_axis
from optlab.i18n import _
from optlab.jobs.measured import MeasuredRun

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame, Series
    from plotly.graph_objects import Figure

SMALLEST, LARGEST = 11.0, 26.0
LEAST_SPAN = 1.5


def scatter(frame: DataFrame, marked: int | None = None, height: int = 430) -> Figure:
    """Size against percent worse. frame: `frames.tradeoffs` of one model; the first item of customdata is the run's id.
    marked: the run that gets a ring. height: pixels."""
    figure = style.figure(height=height)
    times = _times(frame)
    timed, untimed, times = frame[times.notna()], frame[times.isna()], times.dropna()
    if len(timed):
        fastest, slowest = _span(times)
        figure.add_scatter(
            **_points(timed), name=_("timed"),
            marker={
                "size": (SMALLEST + (LARGEST - SMALLEST) * _share(times)).tolist(),
                "color": times.tolist(), "cmin": fastest, "cmax": slowest, "colorscale": style.SCALE,
                "line": {"width": 1, "color": "rgba(127,138,150,0.8)"}, "opacity": 0.92,
                # above the chart, because a phone has no room beside it
                "colorbar": {"title": {"text": _("time per token, original = 1"), "side": "top"}, "thickness": 8,
                             "outlinewidth": 0, "orientation": "h", "len": 0.5, "x": 1, "xanchor": "right", "y": 1.02,
                             "yanchor": "bottom", "nticks": 4},
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
    sizes = [*frame["size_bytes"].dropna(), *frame["base_bytes"].dropna()]
    figure.update_xaxes(title_text=_("size of the weights"), rangemode="tozero", **size_axis.layout(sizes, 0.0))
    margin = 0.04 * (places[-1] - places[0] or 1.0)  # Plotly would end the axis at the last point, between two lines
    figure.update_yaxes(
        title_text=_("perplexity against the original"), tickvals=places, ticktext=labels,
        range=[places[0] - 2 * margin, places[-1] + margin],
    )  # fmt: skip
    return figure


def places(found: Iterable[MeasuredRun]) -> tuple[list[float], list[float]]:
    """Where measurements lie on both axes."""
    both = [(float(one.headline.compressed.size_bytes), worse_axis.place(one.headline.delta.ppl_ratio))
            for one in found]  # fmt: skip
    return [size for size, _worse in both], [worse for _size, worse in both]


def unbeaten(frame: DataFrame) -> DataFrame:
    """The rows than which no other is both as small and as good (the Pareto front), the smallest first."""
    found = frame.sort_values(["size_bytes", "ppl_ratio"])
    return found[found["ppl_ratio"] < found["ppl_ratio"].cummin().shift(fill_value=float("inf"))]


def _add_original(figure: Figure, frame: DataFrame) -> None:
    for size in sorted(set(frame["base_bytes"].dropna()))[-1:]:  # one model: its weights have one size
        figure.add_scatter(
            x=[size], y=[0.0], mode="markers+text", text=[_("original")], textposition="bottom center",
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
        "customdata": _column_of_rows([
            (row.run, row.model, row.recipe, format.megabytes(row.size_bytes), format.worse(row.ppl_ratio),
             _speed(row.decode_ms, row.speed), row.ppl_ratio)
            for row in frame.itertuples()
        ]),
        "hovertemplate": (
            "<b>%{customdata[2]}</b><br>%{customdata[1]}, #%{customdata[0]}<br>%{customdata[3]}<br>"
            "%{customdata[4]} (x %{customdata[6]:.5g})<br>%{customdata[5]}<extra></extra>"
        ),
    }  # fmt: skip


def _column_of_rows(rows: Sequence[tuple[object, ...]]) -> NDArray[Any]:
    """An array, which Plotly takes as it is: it would look at every item of a list."""
    import numpy as np

    return np.array(rows, dtype=object)


def _speed(decode_ms: float, speed: str) -> str:
    """Time per token, and how it is to the original's."""
    told = format.milliseconds(decode_ms if decode_ms == decode_ms else None)
    return f"{told}{_(', ')}{speed}" if speed else told


def _times(frame: DataFrame) -> Series[float]:
    """Time per token over the original's; NaN where the two were not timed in turns."""
    known = frame["speedup"].where((frame["speedup"] > 0) & (frame["speedup"] < float("inf")))
    alike = (frame["speedup_low"] <= 1) & (frame["speedup_high"] >= 1)
    return (1 / known).mask(alike & known.notna(), 1.0)


def _between(low: float, high: float) -> float:
    """How far apart two ratios are drawn; 0 where one of them is not known."""
    return 0.0 if low != low or high != high else worse_axis.place(high) - worse_axis.place(low)


def _span(times: Series[float]) -> tuple[float, float]:
    """The ends of their scale: the shortest and the longest, or further apart around their middle."""
    fastest, slowest = float(times.min()), float(times.max())
    middle = (fastest * slowest) ** 0.5
    return min(fastest, middle / LEAST_SPAN**0.5), max(slowest, middle * LEAST_SPAN**0.5)


def _share(times: Series[float]) -> Series[float]:
    """Where each lies on the scale, from 0 (fastest) to 1."""
    fastest, slowest = _span(times)
    return (times - fastest) / (slowest - fastest)
