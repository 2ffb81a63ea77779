"""The three pairs of figures: what the original has, what the candidate has, and what changed in words."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from optlab.figures import bars, format, pairs
from optlab.i18n import _
from optlab.store.run import Run
from pages.components.shared import facts


def show(known: pairs.Known, run: Run | None, predicted: Sequence[pairs.Pair] = (), record: str = "") -> None:
    """Draw the pairs of a measurement, or of what a running one knows so far. predicted: what stands in the place of a
    figure that is not there yet."""
    for number, (column, pair) in enumerate(zip(st.columns(3), pairs.of(known), strict=True)):
        shown = predicted[number] if pair.candidate is None and number < len(predicted) else pair
        with column, st.container(border=True, height="stretch"):
            _card(shown, run, record)


def show_predicted(found: list[pairs.Pair], record: str) -> None:
    """Draw what is predicted. record: how right predictions have been so far, in words."""
    for column, pair in zip(st.columns(3), found, strict=True):
        with column, st.container(border=True, height="stretch"):
            _card(pair, None, record)


def _card(pair: pairs.Pair, run: Run | None, record: str = "") -> None:
    st.markdown(f"**{pair.name}**", help=pair.help)
    if pair.candidate is None:
        st.markdown(f"### :gray[{format.not_measured()}]")
        known = _("original {value}").format(value=pair.base_text) if pair.base is not None else _missing(run)
        st.caption(pair.missing or known)
        return
    st.markdown(f"### {pair.headline}")
    st.html(bars.html(pair))
    st.caption(f"{pair.base_text} :material/arrow_right_alt: **{pair.candidate_text}**  \n{pair.interval}")
    if pair.side == "predicted":
        st.badge(_("predicted"), color="orange", icon=":material/insights:", help=record or None)
    else:
        _badge(pair, run)


def _badge(pair: pairs.Pair, run: Run | None) -> None:
    if run is None or pair.candidate is None:
        return
    if run.done:
        facts.measured_badge(run)
    elif pair.so_far:
        help = _("The figure so far; it still moves while the measurement runs.")
        st.badge(_("so far: {windows}").format(windows=pair.so_far), color="blue", help=help)
    elif run.live:
        help = _("Measured just now; the run goes on with the other figures.")
        st.badge(_("measured"), color="blue", icon=":material/check:", help=help)


def _missing(run: Run | None) -> str:
    if run is None:
        return _("Press Measure to find out.")
    if run.live:
        return _("It comes later in this run.")
    if run.done:
        return _("Not part of this run.")
    return _("The run did not get that far.")
