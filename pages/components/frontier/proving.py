"""Points of the frontier that are being measured: how far each is, and the page drawn again when one has landed."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from optlab.client.client import Client
from optlab.i18n import _, plural
from optlab.predict.frontier import Point
from pages.components.shared import progress, services
from pages.components.shared.view import View

MOST_SHOWN = 4


def ask(client: Client, shown: View, points: Sequence[Point]) -> None:
    """Queue the measurement of these points and of no others."""
    for point in points:
        client.submit_measure(shown.model, point.recipe, shown.protocol)
    st.toast(_("Queued. A measured point appears here when it is done."), icon=":material/check:")


def watch(client: Client, shown: View) -> None:
    """Draw what is being measured of this model, while anything is."""
    live = [run for run in client.store.list("measure", limit=100) if run.live and run.spec.get("model") == shown.model]
    if live:
        st.fragment(_watched, run_every=1.0)([run.id for run in live])


def _watched(ids: list[int]) -> None:
    with services.shown_errors():
        runs = [services.client().store.get(id) for id in ids]
        live = [run for run in runs if run is not None and run.live]
        if len(live) < len(ids):
            st.rerun()  # one has landed, and the whole page has more to show
        st.caption(plural("{count} measurement under way", "{count} measurements under way", len(live)))
        for run in live[:MOST_SHOWN]:
            progress.bar(run)
