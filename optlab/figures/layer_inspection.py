"""What quantization or pruning did to the weights of one layer, drawn from those weights."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from optlab.figures import style
from optlab.i18n import _
from optlab.results.layer_inspection import ErrorMap, Group, Histogram

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def histogram(found: Histogram) -> Figure:
    """Weights before (grey) and after (blue), on a logarithmic count so that the tails can be seen."""
    figure = style.figure(height=300, barmode="overlay", bargap=0)
    edges = found.edges
    middles = [(low + high) / 2 for low, high in pairwise(edges)]
    for counts, name, colour, opacity in (
        (found.before, _("original"), style.BASE, 0.55), (found.after, _("compressed"), style.MEASURED, 0.75),
    ):  # fmt: skip
        figure.add_bar(
            x=middles, y=counts, name=name, marker_color=colour, opacity=opacity,
            hovertemplate="%{x:.4g}: %{y:,}<extra>" + name + "</extra>",
        )  # fmt: skip
    figure.update_xaxes(title_text=_("weight"))
    figure.update_yaxes(title_text=_("count"), type="log")
    return figure


def group(found: Group) -> Figure:
    """One group of weights: levels as lines, where each weight was and where it went."""
    figure = style.figure(height=300)
    for level in found.levels:
        figure.add_hline(y=level, line={"color": style.GRID, "width": 1})
    places = list(range(len(found.before)))
    lines: list[float | None] = []
    spots: list[int | None] = []
    for place, before, after in zip(places, found.before, found.after, strict=True):
        lines += [before, after, None]
        spots += [place, place, None]
    figure.add_scatter(
        x=spots, y=lines, mode="lines", line={"color": style.BASE, "width": 1}, hoverinfo="skip", showlegend=False
    )
    for values, name, colour, symbol in (
        (found.before, _("original"), style.BASE, "circle-open"),
        (found.after, _("compressed"), style.MEASURED, "circle"),
    ):
        figure.add_scatter(
            x=places, y=values, mode="markers", name=name, marker={"color": colour, "symbol": symbol, "size": 7},
            hovertemplate="%{y:.5g}<extra>" + name + "</extra>",
        )  # fmt: skip
    figure.update_xaxes(title_text=_("weight, in order"), showgrid=False)
    figure.update_yaxes(title_text=_("value"), showgrid=False, zeroline=False)
    return figure


def error_map(found: ErrorMap) -> Figure:
    """Where in the matrix the error is: rows are outputs, columns inputs, each cell the mean of a patch."""
    figure = style.figure(height=300)
    rows, columns = found.rows_per_cell, found.columns_per_cell
    error = found.error
    figure.add_heatmap(
        z=error, x=[columns * i for i in range(len(error[0]))], y=[rows * i for i in range(len(error))],
        colorscale=[[0, "rgba(31,134,196,0.05)"], [1, style.MEASURED]], zmin=0,
        colorbar={"thickness": 10, "outlinewidth": 0, "tickformat": style.PERCENT_TICKS},
        hovertemplate=_("output {y}, input {x}: {z}").format(y="%{y}", x="%{x}", z="%{z:.1%}") + "<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title_text=_("input"), showgrid=False)
    figure.update_yaxes(title_text=_("output"), showgrid=False, autorange="reversed")
    return figure
