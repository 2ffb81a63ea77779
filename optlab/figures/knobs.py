"""Runs as lines through their knobs and figures (parallel coordinates), and what each knob explains as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optlab.figures import format, style, worse_axis
from optlab.i18n import _

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

HEIGHT, ROW = 360, 44
"""Pixels."""
LONGEST_VALUE = 22


def lines(knobs: Mapping[str, Sequence[str]], worse: Sequence[float], sizes: Sequence[float]) -> Figure:
    """A line for each run, coloured by what it lost. knobs: title -> the value in each run; those that never move are
    left out. worse: perplexity over the original's. sizes: bytes over the original's."""
    places = [worse_axis.place(one) for one in worse]
    ticks, labels = worse_axis.ticks(worse)
    dimensions = [_categories(title, values) for title, values in knobs.items() if len(set(values)) > 1]
    dimensions.append({"label": _("Size ratio"), "values": list(sizes)})
    ends = [min(places + ticks), max(places + ticks)]
    dimensions.append(
        {"label": _("Perplexity"), "values": places, "tickvals": ticks, "ticktext": labels, "range": ends}
    )
    figure = style.figure(height=HEIGHT)
    figure.add_parcoords(
        dimensions=dimensions, line={"color": places, "colorscale": style.SCALE}, unselected={"line": {"opacity": 0.05}}
    )
    figure.update_layout(margin={"l": 70, "r": 70, "t": 60, "b": 24})
    return figure


def bars(shares: Mapping[str, float]) -> Figure:
    """title of a knob -> share of the variance that it explains, the largest on top."""
    rows = sorted(shares.items(), key=lambda one: one[1])
    figure = style.figure(height=ROW * len(rows) + 60)
    figure.add_bar(
        x=[share for _title, share in rows], y=[title for title, _share in rows], orientation="h",
        marker={"color": style.MEASURED}, text=[format.percent(share) for _title, share in rows], hoverinfo="skip",
    )  # fmt: skip
    figure.update_xaxes(range=[0, 1], tickformat=".0%", title_text=_("share of the differences that it explains"))
    return figure


def _categories(title: str, values: Sequence[str]) -> dict[str, Any]:
    """An axis with a tick for each value, numbers in their order and before words."""
    ordered = sorted(set(values), key=_natural)
    return {
        "label": title,
        "values": [ordered.index(value) for value in values],
        "tickvals": list(range(len(ordered))),
        "ticktext": [(value or _("none"))[:LONGEST_VALUE] for value in ordered],
    }


def _natural(value: str) -> tuple[bool, float, str]:
    try:
        return False, float(value), value
    except ValueError:
        return True, 0.0, value
