"""The recipe on the page as a point of size against quality, with ghosts of where the knobs stood before."""

from __future__ import annotations

import math

import streamlit as st

from optlab.client.client import Client
from optlab.figures import positions as figure
from optlab.figures.positions import Position
from optlab.i18n import _
from optlab.store.run import Run
from pages.components.shared.view import View

VISITED = "positions/visited"


def show(client: Client, shown: View, done: Run | None) -> None:
    """Draw the chart, where the recipe was measured or can be predicted; remember the point for the next one."""
    now = _measured(shown, done) or _predicted(client, shown)
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
        st.caption(_("The fainter points are where the knobs stood before."))


def _measured(shown: View, done: Run | None) -> Position | None:
    result = (done.result if done is not None else None) or {}
    size, delta = (result.get("compressed") or {}).get("size_bytes"), result.get("delta") or {}
    ratio = delta.get("ppl_ratio")
    if size is None or ratio is None or not math.isfinite(ratio):
        return None
    low, high = delta.get("ppl_ratio_ci95") or (ratio, ratio)
    return Position(shown.recipe.content_hash, shown.recipe.describe(), size, ratio, low, high, "measured")


def _predicted(client: Client, shown: View) -> Position | None:
    predictor = client.predictor(shown.model, shown.protocol) if shown.recipe.steps else None
    told = None if predictor is None else predictor.predict(shown.recipe)
    if told is None or told.size_bytes is None or told.ppl_ratio is None or told.ppl_ratio_band90 is None:
        return None
    return Position(
        shown.recipe.content_hash, shown.recipe.describe(), told.size_bytes, told.ppl_ratio, *told.ppl_ratio_band90,
        "predicted",
    )  # fmt: skip
