"""A grid of bits and sparsities as a heat map: the loss of each crossing, measured or predicted.

What is measured is solid and has its 95% interval below; what is predicted is pale and says "about". The colours are
those of a third quantity, on the axis of `optlab.figures.worse_axis`, so that one bad corner does not make the rest
look alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optlab.figures import format, style, worse_axis
from optlab.i18n import _

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

WORST = 3.0
"""Times the original's perplexity at which the colour is at its end."""
PALE = 0.35
"""What is left of a colour where it is a prediction's; the rest is white in both themes, so words are read on it."""
UNSEEN = 5e-4
"""A predicted change below this is told as none."""
ROW_PX = 58


@dataclass(frozen=True)
class Square:
    """A crossing. bits: None is unquantized. ratio: perplexity over the original's, None where nothing is known; low,
    high: its 95% interval, None without. state: in words, where the crossing waits or failed; '' else."""

    bits: int | None
    sparsity: float
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    is_measured: bool = False
    size_bytes: int | None = None
    state: str = ""


def heat(squares: Iterable[Square]) -> Figure:
    """Bits downwards from many to few, zeros to the right."""
    found = list(squares)
    rows = [_row(bits) for bits in sorted({one.bits for one in found}, key=lambda bits: bits or 99)]
    columns = [_zeros(share) for share in sorted({one.sparsity for one in found})]
    figure = style.figure(
        height=90 + ROW_PX * len(rows),
        x={"title": {"text": _("zeros")}, "side": "top", "type": "category", "categoryorder": "array",
           "categoryarray": columns, "showgrid": False},
        y={"type": "category", "categoryorder": "array", "categoryarray": rows, "showgrid": False},
    )  # fmt: skip
    for is_measured, strength in ((True, 1.0), (False, PALE)):
        shown = [one for one in found if one.is_measured == is_measured and one.ratio is not None]
        if shown:
            figure.add_heatmap(
                x=[_zeros(one.sparsity) for one in shown], y=[_row(one.bits) for one in shown],
                z=[worse_axis.place(one.ratio or 1.0) for one in shown], zmin=0.0, zmax=worse_axis.place(WORST),
                colorscale=[(at, style.paler(colour, strength)) for at, colour in style.SCALE], showscale=False,
                xgap=3, ygap=3,
                name=_("measured") if is_measured else _("predicted"),
                customdata=[_about(one) for one in shown], hovertemplate="%{customdata}<extra></extra>",
            )  # fmt: skip
    for one in found:
        ink = None if one.ratio is None else {"color": style.INK}
        figure.add_annotation(x=_zeros(one.sparsity), y=_row(one.bits), text=_words(one), showarrow=False, font=ink)
    return figure


def _row(bits: int | None) -> str:
    return _("unquantized") if bits is None else _("{bits} bits").format(bits=bits)


def _zeros(share: float) -> str:
    return f"{100 * share:g}%"


def _words(one: Square) -> str:
    below = f"<br><i>{one.state}</i>" if one.state else ""
    if one.ratio is None:
        return one.state or format.not_measured()
    if not one.is_measured:
        change = "0%" if abs(one.ratio - 1) < UNSEEN else format.change(one.ratio)
        return _("about {change}").format(change=change) + below
    interval = "" if one.low is None or one.high is None else f"<br>{format.change_range(one.low, one.high)}"
    return f"<b>{format.change(one.ratio)}</b>{interval}"


def _about(one: Square) -> str:
    kind = _("measured") if one.is_measured else _("predicted")
    return f"{_row(one.bits)}, {_zeros(one.sparsity)}<br>{kind}: {format.worse(one.ratio)}<br>" \
           f"{format.megabytes(one.size_bytes)}"  # fmt: skip
