"""Points of the frontier that a person has measured; the one that answered a question goes on answering it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from optlab.client.client import Client
from optlab.i18n import _
from optlab.prediction.frontier import Frontier, Point
from pages.components.shared.view import View


def ask(client: Client, shown: View, points: Sequence[Point]) -> None:
    """Queue the measurement of these points and of no others."""
    for point in points:
        client.submit_measure(shown.model, point.recipe, shown.protocol)
    st.toast(_("Queued. A measured point appears here when it is done."), icon=":material/check:")


def keep(question: str, answer: Point) -> None:
    """Remember what was proved as the answer to `question`: a predictor learns from a proof, and would name another."""
    st.session_state[f"find_best/kept/{question}"] = answer.recipe


def kept(question: str, frontier: Frontier, answer: Point) -> Point:
    """What was proved for `question` in this session, else `answer`."""
    recipe = st.session_state.get(f"find_best/kept/{question}")
    return answer if recipe is None else Point(recipe, frontier.predictor.predict(recipe))
