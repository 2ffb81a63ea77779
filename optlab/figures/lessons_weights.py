"""Charts of the lessons about weights: grids, outliers, corrections, zeros and what storing them takes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.figures import style
from optlab.i18n import _

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Array = np.ndarray[Any, Any]
ERRORS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Ticks of a logarithmic axis of errors; more of them would lie on each other."""
MOST_LEVELS = 64
"""More lines than these would be a grey area."""


def on_grid(before: Array, after: Array, levels: Array, open_: Array | None = None, middle: str = "") -> Figure:
    """Weights [n] before (grey) and after (blue), and the levels as lines.

    open_: bool [n], weights that are not settled yet, which stand in a colour of their own with `middle` as name.
    """
    figure = style.figure(height=330)
    if len(levels) <= MOST_LEVELS:
        for level in levels:
            figure.add_hline(y=float(level), line={"color": style.GRID, "width": 1})
    places = np.arange(1, len(before) + 1)
    gap = np.full(len(before), np.nan)
    figure.add_scatter(
        x=np.stack((places, places, gap), 1).ravel(), y=np.stack((before, after, gap), 1).ravel(), mode="lines",
        line={"color": style.BASE, "width": 1}, hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    settled = np.ones(len(before), bool) if open_ is None else ~open_
    hover = _("weight {place}: {value}").format(place="%{x}", value="%{y:.5f}") + "<extra>%{fullData.name}</extra>"
    for some, values, name, marker in (
        (np.ones(len(before), bool), before, _("original"), {"color": style.BASE, "symbol": "circle-open"}),
        (settled, after, _("on the grid"), {"color": style.MEASURED}),
        (~settled, after, middle, {"color": style.category(0), "symbol": "diamond"}),
    ):
        if some.any():
            figure.add_scatter(
                x=places[some], y=values[some], mode="markers", name=name, marker={**marker, "size": 7},
                hovertemplate=hover,
            )  # fmt: skip
    figure.update_xaxes(title_text=_("weight, in order"), showgrid=False)
    figure.update_yaxes(title_text=_("value"), showgrid=False, zeroline=False)
    return figure


def bars(values: Mapping[str, float], axis: str, chosen: str | None = None, form: str = ".1%") -> Figure:
    """One bar for each name; the chosen one in blue, others grey (all blue without a choice)."""
    figure = style.figure(height=280, showlegend=False)
    colours = [style.MEASURED if chosen in (None, name) else style.BASE for name in values]
    figure.add_bar(
        x=list(values), y=list(values.values()), marker_color=colours, text=list(values.values()),
        texttemplate=f"%{{text:{form}}}", textposition="outside", cliponaxis=False,
        hovertemplate=f"%{{x}}: %{{y:{form}}}<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(title_text=axis, rangemode="tozero", tickformat=_ticks(form))
    figure.update_xaxes(type="category")
    return figure


def curves(
    x: Sequence[float] | Array, lines: Mapping[str, Array], x_title: str, y_title: str, mark: float | None = None,
    forms: tuple[str, str] = (".0%", ".1%"), log: str = "", points: Sequence[tuple[float, float, str]] = (),
) -> Figure:  # fmt: skip
    """Lines over x. mark: where the reader's knob stands. forms: number formats of x and y; log: axes on a logarithmic
    scale, of "xy"; points: places worth a marker, with what to say on hover."""
    figure = style.figure(height=330)
    for number, (name, y) in enumerate(lines.items()):
        figure.add_scatter(
            x=x, y=y, name=name, mode="lines+markers" if len(x) <= 24 else "lines",
            line={"color": style.category(number)},
            hovertemplate=f"%{{x:{forms[0]}}}: %{{y:{forms[1]}}}<extra>{name}</extra>",
        )  # fmt: skip
    for at, height, said in points:
        figure.add_scatter(
            x=[at], y=[height], mode="markers", marker={"color": style.MEASURED, "size": 11}, showlegend=False,
            hovertemplate=said + "<extra></extra>",
        )  # fmt: skip
    if mark is not None:
        figure.add_vline(x=mark, line={"color": style.BASE, "dash": "dot", "width": 1.5})
    figure.update_xaxes(title_text=x_title, tickformat=_ticks(forms[0]), **(_doublings(x) if "x" in log else {}))
    figure.update_yaxes(title_text=y_title, tickformat=_ticks(forms[1]), **({"type": "log"} if "y" in log else {}))
    return figure


def _doublings(x: Sequence[float] | Array) -> dict[str, Any]:
    """A logarithmic axis on which every doubling has a number, and nothing between."""
    low, high = math.floor(math.log2(min(x))), math.ceil(math.log2(max(x)))
    places = [2.0**power for power in range(low, high + 1)]
    return {"type": "log", "tickvals": places, "ticktext": [f"{one:g}" for one in places]}


def costs(kinds: Mapping[str, Mapping[str, tuple[float, float]]]) -> Figure:
    """Bits per weight against error, each point with its name; the first kind is the chosen one. kinds: what the points
    of a colour are -> name -> (bits per weight, relative error)."""
    figure = style.figure(height=340)
    looks: Sequence[dict[str, Any]] = (
        {"color": style.MEASURED, "size": 15}, {"color": style.category(0), "size": 9},
        {"color": style.BASE, "size": 9, "symbol": "diamond"},
    )  # fmt: skip
    hover = _("{name}: {bits} bits per weight, error {error}").format(name="%{text}", bits="%{x:.2f}", error="%{y:.2%}")
    every = sorted(bits for points in kinds.values() for bits, _error in points.values())
    for number, ((kind, points), look) in enumerate(zip(kinds.items(), looks, strict=True)):
        # of the names, which else lie on each other
        place = ("bottom center", "top right", [_freer(bits, every) for bits, _error in points.values()])[number]
        figure.add_scatter(
            x=[bits for bits, _error in points.values()], y=[error for _bits, error in points.values()],
            text=list(points), mode="markers+text", textposition=place, name=kind, marker=look, cliponaxis=False,
            hovertemplate=hover + "<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title_text=_("bits per weight"))
    figure.update_yaxes(title_text=_("error"), type="log", tickformat=style.PERCENT_TICKS, tickvals=ERRORS)
    return figure


def _freer(bits: float, every: Sequence[float]) -> str:
    """The side below a point on which the next point of `every` is further away."""
    left = min((bits - one for one in every if one < bits), default=math.inf)
    right = min((one - bits for one in every if one > bits), default=math.inf)
    return "bottom left" if left > right else "bottom right"


def zeros(mask: Array) -> Figure:
    """A piece of a matrix: blue where a weight was set to zero."""
    figure = style.figure(height=260)
    figure.add_heatmap(
        z=mask.astype(float), colorscale=[[0, "rgba(127,138,150,0.12)"], [1, style.MEASURED]], zmin=0, zmax=1,
        showscale=False, xgap=0.5, ygap=0.5,
        hovertemplate=_("output {y}, input {x}").format(y="%{y}", x="%{x}") + "<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(showgrid=False, title_text=_("input"), zeroline=False)
    figure.update_yaxes(showgrid=False, title_text=_("output"), autorange="reversed", zeroline=False)
    return figure


def pairs(names: Sequence[str], one: Array, other: Array, titles: tuple[str, str], axis: str) -> Figure:
    """Two bars for each name: grey (the original or teacher) and blue."""
    figure = style.figure(height=320, barmode="group")
    for values, title, colour in ((one, titles[0], style.BASE), (other, titles[1], style.MEASURED)):
        figure.add_bar(
            x=[f"{number + 1}. {name}" for number, name in enumerate(names)], y=values, name=title,
            marker_color=colour, hovertemplate="%{x}: %{y:.2%}<extra>" + title + "</extra>",
        )  # fmt: skip
    figure.update_yaxes(title_text=axis, tickformat=style.PERCENT_TICKS)
    figure.update_xaxes(tickangle=-45)
    return figure


def _ticks(form: str) -> str:
    """The number format of an axis whose values have `form` on hover."""
    return style.PERCENT_TICKS if form.endswith("%") else form
