"""Which layer hurts most: a bar per layer for its part of the predicted loss, in all or for the bits it saves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from optlab.figures import style
from optlab.i18n import _
from optlab.prediction.costs import Cost

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

QUANTITIES = ("per_megabit", "nll")


def label(quantity: str) -> str:
    """What a quantity is called."""
    return {"per_megabit": _("loss per million bits saved"), "nll": _("loss")}[quantity]


def worst(found: Sequence[Cost], quantity: str, count: int = 3) -> list[Cost]:
    """The layers that hurt most, the worst first."""
    known = [one for one in found if getattr(one, quantity) is not None]
    return sorted(known, key=lambda one: -getattr(one, quantity))[:count]


def chart(found: Sequence[Cost], quantity: str) -> Figure:
    """found: every layer in the order of the model. quantity: one of `QUANTITIES`, in nats per token."""
    figure = style.figure(height=300, showlegend=False)
    names = [one.name for one in found]
    figure.add_bar(
        x=names, y=[getattr(one, quantity) for one in found], marker_color=style.PREDICTED,
        hovertemplate="%{x}<br>" + label(quantity) + ": %{y:.3g}<extra>" + _("predicted") + "</extra>",
    )  # fmt: skip
    first: dict[int, str] = {}
    for one in found:
        first.setdefault(one.block, one.name)
    figure.update_xaxes(
        type="category", categoryorder="array", categoryarray=names, title_text=_("layer, by block"),
        tickmode="array", tickvals=list(first.values()), ticktext=[str(block) for block in first], showgrid=False,
    )  # fmt: skip
    figure.update_yaxes(title_text=_("{what}, nats").format(what=label(quantity)), rangemode="tozero")
    return figure
