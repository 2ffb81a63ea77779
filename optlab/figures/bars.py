"""Two bars with their interval as a few lines of HTML: a card shows three pairs of them, and each of those would be a
whole chart, which takes a browser longer than everything else on the page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from optlab.figures import format, style
from optlab.i18n import _

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
    found = pair.bars()
    longest = max([max(value, high or 0.0) for _side, value, _low, high in found], default=0.0)
    parts = []
    for side, value, low, high in found:
        width, colour = _share(value, longest), style.MEANING[side]
        bar = f'<div style="width:{width};height:100%;background:{colour};border-radius:2px"></div>'
        if low is not None and high is not None:
            edges = [_share(edge, longest) for edge in (low, high)]
            bar += f'<div style="{WHISKER};left:{edges[0]};right:calc(100% - {edges[1]})"></div>'
            bar += "".join(f'<div style="{END};left:calc({edge} - 1px)"></div>' for edge in edges)
        told = escape(f"{names[side]}: {format.exact(value)}")
        parts.append(
            f'<span>{escape(names[side])}</span><div title="{told}" style="position:relative;height:20px">{bar}</div>'
        )
    label = escape(f"{pair.name}: {_('original')} {pair.base_text}, {_('compressed')} {pair.candidate_text}")
    return f'<div role="img" aria-label="{label}" style="{GRID}">{"".join(parts)}</div>'


def _share(value: float, longest: float) -> str:
    return f"{min(max(value / longest, 0.0), 1.0):.2%}" if longest > 0 else "0%"
