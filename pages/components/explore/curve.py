"""The curve under the finger on Explore: three knobs, and what they do, drawn by the browser while they move.

Python hears where they rest. It answers with nothing, so that a key pressed meanwhile is not undone; only when
something else changed the recipe are the knobs put somewhere (`token`, see `assets/curve/streamlit.js`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from uuid import uuid4

import streamlit as st

from optlab.client.client import Client
from optlab.figures import curve, curve_assets
from optlab.i18n import _
from optlab.knobs import KnobbedRecipe, Knobs, knobs_of
from optlab.models.describe import Description
from optlab.recipes import Step
from optlab.report import page
from pages.components.shared import downloads, view
from pages.components.shared import knobs as boxes
from pages.components.shared.view import View

KEY = "curve"
STATE, STEPS = "curve/state", "curve/steps"

_mounted = st.components.v2.component(
    "optlab_curve", html=curve_assets.markup(), css=curve_assets.style(),
    js=curve_assets.script(curve_assets.STREAMLIT),
)  # fmt: skip


@dataclass
class State:
    """What the browser was told and has said. put: where the knobs were put with `token`; heard: where they are now."""

    model: str
    token: str
    put: Knobs
    heard: Knobs
    knobbed: KnobbedRecipe


def show(client: Client, shown: View, description: Description) -> bool:
    """Draw it; False where the recipe is beyond three knobs."""
    steps: dict[str, Step] = st.session_state.setdefault(STEPS, {}).setdefault(shown.model, {})
    knobbed = KnobbedRecipe.of(shown.recipe, description, steps)
    if knobbed is None:
        return False
    steps.update({step.kind: step for step in shown.recipe.steps})
    state = _state(shown.model, knobbed, knobs_of(shown.recipe))
    drawn = curve.of(client, description, knobbed, state.heard, shown.protocol, state.token, state.put)
    _mounted(key=KEY, data=drawn.to_dict(), on_moved_change=_heard)
    about = page.about(description, shown.protocol, shown.recipe)
    # the person's page begins where the knobs are now, and not where they were put
    sent = replace(drawn, stands=state.heard)
    st.download_button(
        _("One file to send"), downloads.later(partial(page.html, sent, about)), file_name=f"optlab-{about.name}.html",
        mime="text/html", key="curve/page", icon=":material/send:", type="tertiary", on_click="ignore",
        help=_("These knobs as one page that opens without a server or a network, to be sent to somebody."),
    )  # fmt: skip
    return True


def _state(model: str, knobbed: KnobbedRecipe, now: Knobs) -> State:
    known: State | None = st.session_state.get(STATE)
    if known is None or known.model != model or known.heard != now:
        known = State(model, uuid4().hex, now, now, knobbed)
    known.knobbed = knobbed
    st.session_state[STATE] = known
    return known


def _heard() -> None:
    """The knobs rest somewhere else: the recipe of the page becomes the one there."""
    state: State | None = st.session_state.get(STATE)
    moved = st.session_state[KEY].moved
    if state is None or not moved:
        return
    bits, temperature = moved["bits"], moved["temperature"]
    state.heard = Knobs(
        None if bits is None else int(bits),
        float(moved["sparsity"]),
        None if temperature is None else float(temperature),
    )
    recipe = state.knobbed.recipe(state.heard)
    view.change(recipe=recipe)
    boxes.follow(recipe, state.model)
