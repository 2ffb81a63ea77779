"""Where a model's bytes are: by block from the first to the last, stacked by component."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optlab.figures import format, size_axis, style
from optlab.figures.frames import COMPONENTS
from optlab.i18n import _

if TYPE_CHECKING:
    from pandas import DataFrame
    from plotly.graph_objects import Figure


MOST_TICKS = 10


def label(component: str) -> str:
    """A component as people call it."""
    names = {
        "embedding": _("embedding"), "attention": _("attention"), "mlp": _("feed-forward"), "norm": _("normalization"),
        "head": _("output head"), "other": _("other"),
    }  # fmt: skip
    return names[component]


def bytes_by_block(frame: DataFrame) -> Figure:
    """One stacked bar per block, and one each for what lies outside the blocks. frame: `frames.bytes_of`."""
    figure = style.figure(height=340, barmode="stack")
    blocks = [str(int(block)) for block in sorted(frame["block"].dropna().unique())]
    outside = frame[frame["block"].isna()]
    before = [label("embedding")] if "embedding" in set(outside["component"]) else []
    after = [label(part) for part in COMPONENTS[1:] if part in set(outside["component"])]
    for position, part in enumerate(COMPONENTS):
        rows = frame[frame["component"] == part]
        if rows.empty:
            continue
        figure.add_bar(
            x=[label(part) if block != block else str(int(block)) for block in rows["block"]],
            y=rows["bytes"].tolist(), name=label(part), marker_color=style.category(position),
            customdata=[
                (format.megabytes(row.bytes), format.exact(int(row.bytes), _("bytes")),
                 format.exact(int(row.parameters), _("parameters")))
                for row in rows.itertuples()
            ],
            hovertemplate=(
                "%{fullData.name}, %{x}: %{customdata[0]}<br>%{customdata[1]}<br>%{customdata[2]}<extra></extra>"
            ),
        )  # fmt: skip
    every = -(-len(blocks) // MOST_TICKS) or 1  # as many numbers as fit on a phone
    figure.update_xaxes(
        type="category", categoryorder="array", categoryarray=[*before, *blocks, *after], title_text=_("block"),
        tickmode="array", tickvals=blocks[::every], tickangle=0, showgrid=False,
    )  # fmt: skip
    tallest = frame.groupby(frame["block"].fillna(frame["component"]).astype(str))["bytes"].sum().max()
    figure.update_yaxes(title_text="", **size_axis.layout([float(tallest)], 0.0))
    return figure
