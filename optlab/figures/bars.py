"""Two bars with their interval as a few lines of HTML: a card shows three pairs of them, and each of those would be a
whole chart, which takes a browser longer than everything else on the page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from optlab.figures import format, style
from optlab.words import _

if TYPE_CHECKING:
    from optlab.figures.pairs import Pair

GRID = "display:grid;grid-template-columns:max-content 1fr;gap:4px 8px;align-items:center;font-size:0.75rem;height:56px"
WHISKER = "position:absolute;top:50%;height:0;border-top:2px solid currentColor"
END = "position:absolute;top:25%;height:50%;width:0;border-left:2px solid currentColor"


def html(pair: Pair) -> str:
    """Both sides of `pair` that are known, on one scale from 0; the exact value shows when a mouse rests on a bar.

    The interval has the colour of the text around it, in either theme.
    """
    names = {"base": _("original"), "measured": _("compressed"), "predicted": _("predicted")}
    rows = pair.frame().to_dict("records")
    ends = [[row["low"], row["high"]] if _known(row["low"]) and _known(row["high"]) else None for row in rows]
    longest = max([row["value"] for row in rows] + [end[1] for end in ends if end is not None], default=0.0)
    parts = []
    for row, interval in zip(rows, ends, strict=True):
        name = escape(names[row["side"]])
        width, colour = _share(row["value"], longest), style.MEANING[row["side"]]
        bar = f'<div style="width:{width};height:100%;background:{colour};border-radius:2px"></div>'
        if interval is not None:
            low, high = (_share(edge, longest) for edge in interval)
            bar += f'<div style="{WHISKER};left:{low};right:calc(100% - {high})"></div>'
            bar += "".join(f'<div style="{END};left:calc({edge} - 1px)"></div>' for edge in (low, high))
        told = escape(f"{names[row['side']]}: {format.exact(row['value'])}")
        parts.append(f'<span>{name}</span><div title="{told}" style="position:relative;height:20px">{bar}</div>')
    label = escape(f"{pair.name}: {_('original')} {pair.base_text}, {_('compressed')} {pair.candidate_text}")
    return f'<div role="img" aria-label="{label}" style="{GRID}">{"".join(parts)}</div>'


def _share(value: float, longest: float) -> str:
    return f"{min(max(value / longest, 0.0), 1.0):.2%}" if longest > 0 else "0%"


def _known(value: float | None) -> bool:
    return value is not None and value == value  # not NaN
