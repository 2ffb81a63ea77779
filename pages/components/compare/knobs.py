"""Every run as a line through its knobs, and which knob decides what."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from optlab.advice import knob_importance as importance
from optlab.figures import knobs as figure
from optlab.i18n import _
from optlab.jobs.measured import MeasuredRun
from pages.components.shared.folded import folded


def show(runs: Sequence[MeasuredRun]) -> None:
    """The box. runs: of one model on one text."""
    with folded(_("Which knob decides?"), "knobs", ":material/tune:") as opened:
        if opened:
            _draw(importance.tried(runs))


def _draw(found: list[importance.Tried]) -> None:
    drawn = importance.drawn(found)
    if len(drawn.worse) < importance.LEAST_RUNS:
        st.caption(_("Measure at least {count} recipes; fewer say nothing.").format(count=importance.LEAST_RUNS))
        return
    knobs = {importance.title(knob): values for knob, values in drawn.knobs.items()}
    st.plotly_chart(
        figure.lines(knobs, drawn.worse, drawn.sizes),
        key="compare/lines", config={"displayModeBar": False}, alt=_("Each run as a line through its knobs"),
    )  # fmt: skip
    st.caption(_("Drag along an axis to keep the runs that pass there; drag a title to move the axis."))
    names: dict[importance.Figure, str] = {"ppl": _("Perplexity"), "size": _("Size"), "speed": _("Speed")}
    for column, (name, title) in zip(st.columns(len(names)), names.items(), strict=True):
        shares = importance.explained(found, name)
        with column:
            st.markdown(f"**{title}**")
            if not shares:
                st.caption(_("Too few runs that differ in one knob."))
                continue
            st.plotly_chart(
                figure.bars({importance.title(knob): share for knob, share in shares.items()}),
                key=f"compare/importance/{name}", config={"displayModeBar": False},
                alt=_("Share of the differences that each knob explains"),
            )  # fmt: skip
    st.caption(_("The share of the variance, among these runs, that a knob explains by itself: first-order Sobol index "
                 "of the logarithm, corrected for few runs (epsilon squared)."))  # fmt: skip
