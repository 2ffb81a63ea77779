"""What was paid for what was saved: every finished measurement as a point of size against quality.

Down and to the left is better. The colour and the size of a point tell its latency, on a scale that spans at least a
factor of 1.5, so that the noise of a machine never looks like a difference; a point that was never timed is an open
circle. The error bars are the paired 95% intervals of the perplexity ratio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optlab.figures import format, style
from optlab.i18n import _

if TYPE_CHECKING:
    from pandas import DataFrame, Series
    from plotly.graph_objects import Figure

SMALLEST, LARGEST = 11.0, 26.0
LEAST_SPAN = 1.5


def scatter(frame: DataFrame) -> Figure:
    """Size against perplexity ratio. frame: `frames.tradeoffs`; the first item of customdata is the run's id."""
    figure = style.figure(height=430)
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
    wide = len(frame) and frame["ppl_ratio"].max() / frame["ppl_ratio"].min() > 4
    # on a logarithmic axis Plotly takes the height of a shape as it is, and that of its annotation as a power of ten
    figure.add_hline(
        y=1.0, line={"dash": "dot", "color": style.BASE}, annotation={"text": _("original"), "y": 0 if wide else 1}
    )
    figure.update_layout(showlegend=bool(len(timed) and len(untimed)), clickmode="event+select", dragmode="pan")
    figure.update_xaxes(title_text=_("size of the weights"), tickformat=".3~s", ticksuffix="B", rangemode="tozero")
    figure.update_yaxes(title_text=_("perplexity, times the original"), type="log" if wide else "linear")
    return figure


def _points(frame: DataFrame) -> dict[str, object]:
    return {
        "x": frame["size_bytes"].tolist(),
        "y": frame["ppl_ratio"].tolist(),
        "mode": "markers",
        "error_y": {
            "type": "data", "symmetric": False, "thickness": 1.5, "width": 4, "color": style.BASE,
            "array": (frame["high"] - frame["ppl_ratio"]).fillna(0).tolist(),
            "arrayminus": (frame["ppl_ratio"] - frame["low"]).fillna(0).tolist(),
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


def _span(ms: Series[float]) -> tuple[float, float]:
    """The ends of the scale of latency: those of `ms`, or further apart around their middle."""
    fastest, slowest = float(ms.min()), float(ms.max())
    middle = (fastest * slowest) ** 0.5
    return min(fastest, middle / LEAST_SPAN**0.5), max(slowest, middle * LEAST_SPAN**0.5)


def _share(ms: Series[float]) -> Series[float]:
    """Where each lies on the scale, from 0 (fastest) to 1."""
    fastest, slowest = _span(ms)
    return (ms - fastest) / (slowest - fastest)
