"""Speed: how fast both models write on this machine, what limits them, and how that changes with the load."""

from __future__ import annotations

import streamlit as st

from optlab.client.client import Client
from optlab.figures import limit
from optlab.i18n import _
from optlab.jobs.measure import MEASURE
from optlab.models.describe import Description
from optlab.store.run import Run
from pages.components.explore import latency_grid, targets_view
from pages.components.shared import pairs, prediction
from pages.components.shared.view import View


def show(client: Client, shown: View, description: Description, done: Run | None) -> None:
    """Draw it. done: the measurement of the recipe, once it is finished."""
    _on_this_machine(client, shown, description, done)
    if description.objective == "causal":
        targets_view.show(client, shown, description)


def _on_this_machine(client: Client, shown: View, description: Description, done: Run | None) -> None:
    result = MEASURE.result_of(done) if done is not None else None
    if result is None:
        if shown.recipe.steps and not prediction.show(client, shown):
            prediction.offer(client, shown.model)
        st.caption(_("Measure the recipe to time both models in turns on this machine."))
        return
    pairs.show(result, done)
    if limited := limit.sentence(result):
        st.caption(limited)
    if description.objective == "causal":
        latency_grid.show(client, shown)
