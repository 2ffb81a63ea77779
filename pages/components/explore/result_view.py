"""Result: where the recipe lies between the original and the smallest, and what both models write."""

from __future__ import annotations

import streamlit as st

from optlab.client.client import Client
from optlab.i18n import _
from optlab.models.describe import Description
from optlab.store.run import Run
from pages.components.explore import curve, measurement
from pages.components.shared import prediction, writing
from pages.components.shared.services import sentence
from pages.components.shared.view import View


def show(client: Client, shown: View, description: Description, done: Run | None) -> None:
    """Draw it. done: the measurement of the recipe, once it is finished."""
    curve.chart()
    if client.predictor(shown.model, shown.protocol) is None:
        prediction.offer(client, shown.model)
    if description.checkpoint_note:
        st.caption(f":material/info: {sentence(description.checkpoint_note)}")
    if done is not None:
        measurement.provenance(done)
    if description.objective == "causal":
        writing.show(client, shown, description.default_text)
    else:
        st.caption(_("This model fills gaps in a text and cannot continue one."))
    if done is not None:
        measurement.table(done)
