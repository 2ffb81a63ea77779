"""What the table compares with: the original, or a run of one's choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from optlab.figures.against import against
from optlab.i18n import _

if TYPE_CHECKING:
    from pandas import DataFrame

ORIGINAL = 0
"""In the place of a run's number."""


def choose(frame: DataFrame, known: DataFrame) -> DataFrame:
    """The choice among `known`, and `frame` (with the original) against it."""
    names = {int(run): f"#{run} {name or recipe}" for run, name, recipe in
             zip(known["run"], known["name"], known["recipe"], strict=True)}  # fmt: skip
    chosen = st.selectbox(
        _("Compared with"), [ORIGINAL, *names], format_func=lambda run: names.get(run, _("original")), width=420,
        key=f"compare/baseline/{known['model'].iloc[0]}/{known['text'].iloc[0]}",
        help=_("Ratios of the table. Between two runs, intervals are combined as if independent: on the safe side."),
    )  # fmt: skip
    return against(frame, known[known["run"] == chosen].iloc[0]) if chosen and len(frame) else frame
