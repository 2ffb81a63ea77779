"""What a recipe did to each layer: bits per weight, share of zeros, error of the output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optlab.figures import style
from optlab.i18n import _

if TYPE_CHECKING:
    from pandas import DataFrame
    from plotly.graph_objects import Figure

QUANTITIES = ("output_error", "bits_per_weight", "sparsity")


def label(quantity: str) -> str:
    """What a quantity is called: an error relative to the output itself, zeros as a share of the weights."""
    names = {
        "output_error": _("output error"),
        "bits_per_weight": _("bits per weight"),
        "sparsity": _("zeros"),
    }
    return names[quantity]


def short(quantity: str) -> str:
    """A quantity in one word, so that three fit beside each other on a phone."""
    return {"output_error": _("error"), "bits_per_weight": _("bits"), "sparsity": _("zeros")}[quantity]


def per_layer(frame: DataFrame, quantity: str, height: int = 320) -> Figure:
    """A bar per layer in the order of the model; runs laid over each other where the frame has several.

    frame: `frames.layers_of` or `frames.overlay`. quantity: one of `QUANTITIES`. height: pixels.
    """
    runs = list(dict.fromkeys(frame["run"]))
    traces = []
    for position, run in enumerate(runs):
        rows = frame[frame["run"] == run]
        traces.append({
            "type": "bar", "x": rows["name"].tolist(), "y": rows[quantity].tolist(), "name": run,
            "marker": {"color": style.MEASURED if len(runs) == 1 else style.category(position)},
            "hovertemplate": "%{x}<br>" + label(quantity) + ": %{y:.5g}<extra>" + run + "</extra>",
        })  # fmt: skip
    order = frame.drop_duplicates("name")
    starts = order.drop_duplicates("block").dropna(subset=["block"])
    as_percent = {"tickformat": style.PERCENT_TICKS} if quantity != "bits_per_weight" else {}
    return style.figure(
        height=height, data=traces, barmode="group", showlegend=len(runs) > 1,
        x={
            "type": "category", "categoryorder": "array", "categoryarray": order["name"].tolist(),
            "title": {"text": _("layer, by block")}, "tickmode": "array", "tickvals": starts["name"].tolist(),
            "ticktext": starts["block"].tolist(), "showgrid": False,
        },
        y={"title": {"text": label(quantity)}, "rangemode": "tozero", **as_percent},
    )  # fmt: skip
