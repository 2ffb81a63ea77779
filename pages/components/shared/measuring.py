"""Asking for a measurement of what is on the page."""

from __future__ import annotations

import streamlit as st

from optlab.client.client import Client
from optlab.i18n import _
from pages.components.shared import view


def start(client: Client, shown: view.View) -> None:
    """Ask for the measurement; the same one is never made twice."""
    run = client.submit_measure(shown.model, shown.recipe, shown.protocol)
    if run.done:
        st.toast(_("Already measured; here is the result."), icon=":material/check:")
