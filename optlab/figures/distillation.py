"""Pictures of distillation: how a training goes and where it will end, and which temperature was best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optlab.distill.forecast import Forecast
from optlab.figures import format, style
from optlab.i18n import _
from optlab.results.sweep import Student, Sweep

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

CONTROL = style.CATEGORIES[0]
FAINT = 0.35


@dataclass(frozen=True)
class Line:
    """One training. name: what it is called. loss, held_out: [[step, nats, seconds], ...] as `optlab.distill.curve`
    gives them. colour: of its line."""

    name: str
    loss: Sequence[Sequence[float]]
    held_out: Sequence[Sequence[float]]
    colour: str = style.MEASURED


def curves(
    lines: Sequence[Line], foretold: Forecast | None = None, end: float | None = None, by_time: bool = False
) -> Figure:
    """Held-out loss of every training, its training loss faintly behind it, and the forecast as a bar at the end.

    end: where the training ends, in seconds where `by_time`, else in steps.
    """
    figure = style.figure(height=380)
    place = 2 if by_time else 0
    for line in lines:
        figure.add_scatter(
            x=[point[place] for point in line.loss], y=[point[1] for point in line.loss], mode="lines",
            line={"color": line.colour, "width": 1}, opacity=FAINT, showlegend=False, hoverinfo="skip",
        )  # fmt: skip
        figure.add_scatter(
            x=[point[place] for point in line.held_out], y=[point[1] for point in line.held_out],
            mode="lines+markers", name=line.name, line={"color": line.colour, "width": 2}, marker={"size": 6},
            customdata=[math.exp(min(point[1], 700.0)) for point in line.held_out],
            hovertemplate="%{y:.4f} " + _("nats") + ", " + _("perplexity") + " %{customdata:.4g}<extra>%{fullData.name}"
            "</extra>",
        )  # fmt: skip
    if foretold is not None and end is not None:
        figure.add_scatter(
            x=[end], y=[foretold.nll], mode="markers", name=_("forecast of the final loss"),
            marker={"color": style.PREDICTED, "size": 11, "symbol": "diamond"},
            error_y={"type": "data", "symmetric": False, "array": [foretold.high - foretold.nll],
                     "arrayminus": [foretold.nll - foretold.low], "thickness": 3, "width": 8,
                     "color": style.PREDICTED},
            hovertemplate=f"{foretold.low:.4f} - {foretold.high:.4f} " + _("nats") + "<extra></extra>",
        )  # fmt: skip
    shown = [point[1] for line in lines for point in line.held_out[1:]] or [
        point[1] for line in lines for point in line.held_out
    ]
    if shown:  # the untrained beginning would flatten everything that is worth seeing
        low = min([*shown, foretold.low] if foretold else shown)
        margin = 0.05 * (max(shown) - low) + 0.01
        figure.update_yaxes(range=[low - margin, max(shown) + 3 * margin])
    figure.update_xaxes(
        title_text=_("seconds of training") if by_time else _("training steps"),
        range=[0, end * 1.04] if end else None,
    )  # fmt: skip
    figure.update_yaxes(title_text=_("held-out loss, nats"))
    return figure


def top_tokens(tokens: Sequence[str], teacher: Sequence[float], student: Sequence[float] | None) -> Figure:
    """Teacher and student beside each other: how probable each of `tokens` is to them; student: None without one."""
    figure = style.figure(height=max(260, 26 * len(tokens)), barmode="group")
    names = [f"{number}. {token!r}" for number, token in enumerate(tokens, 1)][::-1]
    for side, name, colour in ((student, _("student"), style.MEASURED), (teacher, _("teacher"), style.BASE)):
        if side is not None:
            figure.add_bar(
                y=names, x=list(side)[::-1], orientation="h", name=name, marker_color=colour,
                hovertemplate="%{y}: %{x:.3%}<extra>" + name + "</extra>",
            )  # fmt: skip
    figure.update_xaxes(
        tickformat=style.PERCENT_TICKS, title_text=_("probability at this temperature"), rangemode="tozero"
    )
    figure.update_yaxes(type="category")
    return figure


def over_temperatures(
    temperatures: Sequence[float], values: Sequence[Sequence[float]], names: Sequence[str], title: str, now: float
) -> Figure:
    """A quantity at every temperature, one line per name; the temperature that is chosen is marked."""
    figure = style.figure(height=240)
    for line, name, colour in zip(values, names, (style.BASE, style.MEASURED, CONTROL), strict=False):
        figure.add_scatter(x=list(temperatures), y=list(line), mode="lines", name=name,
                           line={"color": colour, "width": 2})  # fmt: skip
    figure.add_vline(x=now, line={"dash": "dot", "color": style.PREDICTED})
    figure.update_xaxes(type="log", title_text=_("temperature"), tickvals=[0.25, 0.5, 1, 2, 4, 8, 16])
    figure.update_yaxes(title_text=title, rangemode="tozero")
    return figure


def heat(cells: Sequence[Student]) -> Figure:
    """A field per temperature and alpha: its loss minus that of training on the text alone, with its interval."""
    temperatures = sorted({cell.temperature for cell in cells})
    alphas = sorted({cell.alpha for cell in cells})
    found = {(cell.temperature, cell.alpha): cell for cell in cells}
    rows = [[found.get((t, a)) for t in temperatures] for a in alphas]
    figure = style.figure(height=120 + 64 * len(alphas))
    largest = max([abs(cell.delta) for cell in cells], default=0.0) or 1e-9
    figure.add_heatmap(
        x=[f"{t:g}" for t in temperatures], y=[f"{a:g}" for a in alphas],
        z=[[None if cell is None else cell.delta for cell in row] for row in rows],
        text=[[_in_words(cell) for cell in row] for row in rows], texttemplate="%{text}",
        colorscale=[list(stop) for stop in style.SCALE], zmin=-largest, zmax=largest, xgap=3, ygap=3,
        colorbar={"title": {"text": _("nats")}, "thickness": 12},
        hovertemplate=_("T {t}, alpha {a}").format(t="%{x}", a="%{y}") + "<br>%{text}<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(type="category", title_text=_("temperature"))
    figure.update_yaxes(type="category", title_text=_("alpha: weight of the text"))
    return figure


def _in_words(cell: Student | None) -> str:
    if cell is None:
        return ""
    words = f"{cell.delta:+.3f}"
    return words if cell.ci95 is None else f"{words}<br>[{cell.ci95[0]:+.3f}, {cell.ci95[1]:+.3f}]"


def best_in_words(found: Sweep) -> str:
    """Which temperature was best, and whether that is more than noise; '' before the first student."""
    best = found.best_student
    if best is None:
        return ""
    name = _("T {t}, alpha {a}").format(t=f"{best.temperature:g}", a=f"{best.alpha:g}")
    low, high = best.ci95 or (float("-inf"), float("inf"))
    if high < 0:
        words = _("Best: {name}, {delta} nats per token against the text alone (95% interval {low} to {high}, the "
                  "same {windows} windows).")  # fmt: skip
    else:
        words = _("No temperature certainly beats the text alone; {name} has the lowest loss, {delta} nats (95% "
                  "interval {low} to {high}, the same {windows} windows).")  # fmt: skip
    words = words.format(name=name, delta=f"{best.delta:+.3f}", low=f"{low:+.3f}", high=f"{high:+.3f}",
                         windows=found.windows)  # fmt: skip
    others = sum(cell.as_good for cell in found.cells) - 1
    if others:
        words += " " + _("{count} others are within the noise.").format(count=others)
    return words


def perplexity(nll: float | None) -> str:
    """Of a loss in nats per token, as people read it."""
    return format.number(None if nll is None else math.exp(min(nll, 700.0)))
