"""The attention heads of a model, block by block, in the colour of what the loss would feel without each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optlab.figures import style
from optlab.i18n import _
from optlab.prune.chosen_heads import Head

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def chart(importance: Sequence[Sequence[float]], removed: set[Head]) -> Figure:
    """importance: [blocks][heads], not negative. removed: heads that are drawn as a cross. A click selects."""
    blocks, heads = len(importance), len(importance[0])
    figure = style.figure(height=100 + 28 * max(heads, 4), showlegend=False, dragmode=False, clickmode="event+select")
    places = [(block, head) for block in range(blocks) for head in range(heads)]
    known = [value for row in importance for value in row if value > 0]
    floor = min(known, default=1.0)
    figure.add_scatter(
        x=[block for block, _head in places], y=[head for _block, head in places], mode="markers",
        customdata=[[block, head, importance[block][head]] for block, head in places],
        marker={
            "symbol": ["x-thin" if place in removed else "square" for place in places],
            "size": max(8, min(20, 300 // blocks)),
            "color": [math.log10(max(importance[block][head], floor)) for block, head in places],
            "colorscale": [list(pair) for pair in style.SCALE],
            "line": {"width": [2 if place in removed else 0 for place in places], "color": style.BASE},
        },
        selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 1}},
        hovertemplate=_("block %{x}, head %{y}: removing it changes the loss by about %{customdata[2]:.3g} nats")
        + "<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title_text=_("block"), showgrid=False, zeroline=False, dtick=max(1, blocks // 10))
    figure.update_yaxes(title_text=_("head"), showgrid=False, zeroline=False, dtick=1 if heads <= 12 else 4)
    return figure


def clicked(event: Mapping[str, Any]) -> set[Head]:
    """The heads that a person clicked. event: what the chart reports of a selection."""
    found = set()
    for point in (event.get("selection") or {}).get("points") or []:
        data = point.get("customdata") or []
        if isinstance(data, list | tuple) and len(data) >= 2:
            found.add((int(data[0]), int(data[1])))
    return found
