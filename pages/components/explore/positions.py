"""The recipe on the page as a point of size against quality, with ghosts of where the knobs stood before."""

from __future__ import annotations

import streamlit as st

from optlab.client.client import Client
from optlab.figures import positions as figure
from optlab.figures.positions import Position
from optlab.i18n import _
from optlab.jobs.measure import MEASURE
from optlab.store.run import Run
from pages.components.shared.view import View

VISITED = "positions/visited"


def show(client: Client, shown: View, done: Run | None) -> None:
    """Draw the chart, where the recipe was measured or can be predicted; remember the point for the next one."""
    now = _here(client, shown, done)
    if now is None:
        return
    before = st.session_state.get(VISITED, {}).get(shown.model, [])
    found = figure.visited(before, now)
    st.session_state.setdefault(VISITED, {})[shown.model] = found
    st.plotly_chart(
        figure.chart(found), key="positions/chart", config={"displayModeBar": False},
        alt=_("Size against perplexity of this recipe and of the last ones"),
    )  # fmt: skip
    if len(found) > 1:
        st.caption(_("Faint points: earlier settings."))


def _here(client: Client, shown: View, done: Run | None) -> Position | None:
    result = None if done is None else MEASURE.result_of(done)
    found = None if result is None else figure.measured(shown.recipe, result)
    if found is not None:
        return found
    predictor = client.predictor(shown.model, shown.protocol) if shown.recipe.steps else None
    return None if predictor is None else figure.predicted(shown.recipe, predictor.predict(shown.recipe))
