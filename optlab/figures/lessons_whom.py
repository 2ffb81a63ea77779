"""Chart of the lesson on whom compression hurts: the change of perplexity of each group, with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from optlab.figures import style
from optlab.i18n import _
from optlab.lessons.whom import Change

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def changes(found: Mapping[str, Change], mean: float) -> Figure:
    """One bar for each group. mean: change of the whole text in nats, drawn as a line."""
    figure = style.figure(height=340, showlegend=False)
    tops = [_worse(one.nats) for one in found.values()]
    ends = [one.ci95 or (one.nats, one.nats) for one in found.values()]
    figure.add_bar(
        x=list(found), y=tops, marker_color=style.MEASURED,
        error_y={
            "type": "data", "symmetric": False, "color": style.BASE,
            "array": [_worse(high) - top for (_low, high), top in zip(ends, tops, strict=True)],
            "arrayminus": [top - _worse(low) for (low, _high), top in zip(ends, tops, strict=True)],
        },
        hovertemplate="%{x}: %{y:+.1%}<extra></extra>",
    )  # fmt: skip
    figure.add_hline(
        y=_worse(mean), line={"color": style.BASE, "dash": "dot", "width": 1.5},
        annotation={"text": _("the whole text"), "font": {"color": style.BASE}},
    )  # fmt: skip
    figure.update_yaxes(title_text=_("perplexity, % worse"), tickformat=style.PERCENT_TICKS)
    figure.update_xaxes(type="category")
    return figure


def _worse(nats: float) -> float:
    return math.expm1(nats)
