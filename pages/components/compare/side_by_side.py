"""Two or more measurements in full, beside each other, and laid over each other layer by layer."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from optlab.figures import format, frames, layers, pairs
from optlab.i18n import _, said
from optlab.jobs.measured import MeasuredRun
from pages.components.shared import facts, services

MOST = 4


def show(runs: Sequence[MeasuredRun]) -> None:
    """Draw the columns and the overlay of the first `MOST` runs."""
    st.subheader(_("Side by side"))
    if len(runs) > MOST:
        st.caption(_("The first {count} of {all} are shown.").format(count=MOST, all=len(runs)))
    shown = runs[:MOST]
    for column, run in zip(st.columns(len(shown)), shown, strict=True):
        with column, st.container(border=True, height="stretch"):
            st.markdown(f"**{services.escaped(run.run.label.name or said(run.title))}**")
            facts.measured_badge(run.run)
            for pair in pairs.of(run.result):
                st.metric(pair.name, pair.candidate_text, help=pair.help)
                st.caption(f"{pair.headline}  \n{pair.interval}" if pair.complete else format.not_measured())
    results = [(f"#{run.id} {run.run.label.name or said(run.title)}", run.result) for run in shown]
    frame = frames.overlay(results)
    if frame.empty:
        return
    quantity = st.segmented_control(
        _("Shown per layer"), layers.QUANTITIES, default=layers.QUANTITIES[0], format_func=layers.short,
        label_visibility="collapsed", key="side/quantity",
    )  # fmt: skip
    st.plotly_chart(
        layers.per_layer(frame, quantity or layers.QUANTITIES[0]), key="side/layers", config={"displayModeBar": False},
        alt=_("Layers of the chosen runs laid over each other"),
    )  # fmt: skip
