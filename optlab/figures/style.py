"""What every chart shares: three colours with a fixed meaning, and a layout that leaves the data alone.

Grey is the original, blue is measured, orange is predicted, on every page and in both themes (the pages' badges take
theirs from `.streamlit/config.toml`). The hues are those of Okabe and Ito (2008), which people with any common colour
blindness can tell apart, in a lightness that has contrast on white and on near black.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

BASE = "#7F8A96"
MEASURED = "#1F86C4"
PREDICTED = "#D98200"

MEANING = {"base": BASE, "measured": MEASURED, "predicted": PREDICTED}

CATEGORIES = ("#11A37B", "#CC79A7", "#A68A2D", "#7B6BB8", "#4FB3BF", "#B5562B")
"""For things without a meaning of their own, such as the parts of a model, in this order; none is blue, orange or grey,
which have one."""

SCALE = ((0.0, "#11A37B"), (0.5, "#A9A9C0"), (1.0, "#CC4F8B"))
"""From good to bad for a third quantity; its ends differ in hue and lightness for the colour-blind too, and neither is
one of the colours with a meaning."""

INK = "#0A0D12"
"""Of words on a colour of `SCALE`, or on a paler one: both themes have the same colours there."""

PERCENT_TICKS = ".4~%"
"""Shares on an axis, with as many digits as neighbouring ticks need to differ: 0.5%, 1%, 1.5%."""
GRID = "rgba(127, 138, 150, 0.22)"


def figure(
    height: int = 320,
    data: Sequence[Mapping[str, Any]] = (),
    x: Mapping[str, Any] | None = None,
    y: Mapping[str, Any] | None = None,
    **layout: Any,
) -> Figure:
    """A figure with OptLab's layout; the page's theme gives the fonts and the colour of the text.

    height: pixels, fixed so that nothing on the page shifts when the chart arrives. data: traces; x, y: what is special
    about the axes. Given here, everything is checked once: each later update of a figure takes milliseconds.
    """
    from plotly.graph_objects import Figure

    axis = {"gridcolor": GRID, "zerolinecolor": GRID, "automargin": True}
    usual = {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 28, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "colorway": list(CATEGORIES),
        "bargap": 0.25,
        "hoverlabel": {"align": "left"},
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "xanchor": "left", "x": 0, "title": {"text": ""},
                   "traceorder": "normal"},
        "xaxis": {**axis, **(x or {})},
        "yaxis": {**axis, **(y or {})},
    }  # fmt: skip
    return Figure(data=list(data), layout={**usual, **layout})


def paler(colour: str, share: float) -> str:
    """`colour` (#RRGGBB) mixed with white. share: how much of it is left, 0 to 1."""
    parts = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(255 - share * (255 - part)):02X}" for part in parts)


def category(position: int) -> str:
    """The colour of the part at `position`; starts again after the last."""
    return CATEGORIES[position % len(CATEGORIES)]
