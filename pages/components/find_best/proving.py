"""Points of the frontier that are being measured: how far each is, and the page drawn again when one has landed."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from optlab.client.client import Client
from optlab.i18n import _
from optlab.prediction.frontier import Point
from pages.components.shared.view import View


def ask(client: Client, shown: View, points: Sequence[Point]) -> None:
    """Queue the measurement of these points and of no others."""
    for point in points:
        client.submit_measure(shown.model, point.recipe, shown.protocol)
    st.toast(_("Queued. A measured point appears here when it is done."), icon=":material/check:")
