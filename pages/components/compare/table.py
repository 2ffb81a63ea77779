"""The table of Compare: a page of the measurements, beside the original, and which of them are ticked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from optlab.figures import format, glossary
from optlab.i18n import _
from optlab.jobs.measured import MeasuredRun

if TYPE_CHECKING:
    from pandas import DataFrame

PER_PAGE = 200
COLUMNS = ("recipe", "starred", "name", "ppl_ratio", "low", "high", "size_ratio", "size", "speed", "speedup",
           "decode_ms", "ppl", "kl", "agreement", "tokens", "dtype", "finished", "run", "note")  # fmt: skip
LABELS = ("starred", "name", "note")
"""What a person adds to a run: without any of it a column would be empty, and a phone would show little else."""

Order = Callable[[MeasuredRun], float]
ORDERS: dict[str, Order] = {
    "new": lambda one: -one.id,
    "small": lambda one: one.headline.compressed.size_bytes,
    "close": lambda one: _or_last(one.headline.delta.ppl_ratio),
    "fast": lambda one: -(one.headline.delta.decode_speedup or 0.0),
}


def page(found: Sequence[MeasuredRun], scope: str) -> tuple[Sequence[MeasuredRun], str]:
    """Those that the table shows now, and a name for this page of it; `found` whole where it fits. scope: a name for
    what `found` is."""
    if len(found) <= PER_PAGE:
        return found, ""
    names = {"new": _("Newest first"), "small": _("Smallest first"), "close": _("Closest to the original first"),
             "fast": _("Fastest first")}  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        order = st.selectbox(_("Rows"), list(names), format_func=names.__getitem__, key="compare/order", width=260)
        number = st.pagination(-(-len(found) // PER_PAGE), key=f"compare/page/{order}/{scope}")
    first = (number - 1) * PER_PAGE
    ordered = found if order == "new" else sorted(found, key=ORDERS[order])
    return ordered[first : first + PER_PAGE], f"/{order}/{number}"


def show(frame: DataFrame, name: str) -> list[int]:
    """Draw it; the numbers of the runs that are ticked. name: of its page."""
    column = st.column_config
    told = frame.assign(size=frame["size_bytes"].map(format.megabytes))
    event: Any = st.dataframe(
        told, hide_index=True, placeholder="", key=f"compare/table{name}", on_select="rerun",
        selection_mode="multi-row",
        column_order=[one for one in COLUMNS if one not in LABELS or frame[one].any()],
        column_config={
            "starred": column.CheckboxColumn("\N{BLACK STAR}", width="small", help=_("Tick one row to star it.")),
            "name": column.TextColumn(_("Name"), width="small"),
            "note": column.TextColumn(_("Note")),
            "recipe": column.TextColumn(_("Recipe"), width="medium", pinned=True),
            "ppl_ratio": column.NumberColumn(_("Perplexity ratio"), format="%.4f",
                                             help=glossary.perplexity_ratio()),
            "low": column.NumberColumn(_("from"), format="%.4f", help=_("Lower end of the 95% interval")),
            "high": column.NumberColumn(_("to"), format="%.4f", help=_("Upper end of the 95% interval")),
            "size_ratio": column.NumberColumn(_("Size ratio"), format="%.3f"),
            "size": column.TextColumn(_("Size"), help=glossary.size()),
            "speed": column.TextColumn(_("Speed"),
                                       help=_("No measurable difference where the 95% interval contains 1.")),
            "speedup": column.NumberColumn(_("Speed-up"), format="%.2f x",
                                           help=_("Both models timed in turns. Empty: not measured.")),
            "decode_ms": column.NumberColumn(_("ms per token"), format="%.3f", help=glossary.latency()),
            "ppl": column.NumberColumn(_("Perplexity"), format="%.3f", help=glossary.perplexity()),
            "kl": column.NumberColumn(_("KL, nats"), format="%.4f", help=glossary.kl_divergence()),
            "agreement": column.NumberColumn(_("Top-1 agreement"), format="percent",
                                             help=glossary.top1_agreement()),
            "tokens": column.NumberColumn(_("Tokens"), format="localized"),
            "dtype": column.TextColumn(_("Precision")),
            "finished": column.DatetimeColumn(_("Measured"), format="YYYY-MM-DD HH:mm"),
            "run": column.NumberColumn(_("Run"), format="%d"),
        },
    )  # fmt: skip
    return [int(frame["run"].iloc[row]) for row in event.selection.rows
            if row < len(frame) and not frame["run"].isna().iloc[row]]  # fmt: skip


def _or_last(ratio: float) -> float:
    """A ratio that is not a number lies behind all others."""
    return math.inf if math.isnan(ratio) else ratio
