"""The curve under the finger on Explore, in three places: tiles in the strip, knobs at the left, the chart among the
results; drawn by the browser while the knobs move.

Python hears where they rest. It answers with nothing, so that a key pressed meanwhile is not undone; only when
something else changed the recipe are the knobs put somewhere (`token`, see `assets/curve/streamlit.js`).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from uuid import uuid4

import streamlit as st

from optlab.client import expectations
from optlab.client.client import Client
from optlab.errors import OptLabError
from optlab.figures import curve, curve_assets, format, softened, standing
from optlab.figures.curve import Curve
from optlab.figures.softened import Softened
from optlab.files import JsonObject
from optlab.i18n import _
from optlab.jobs.temperature_lab import TEMPERATURE_LAB
from optlab.knobs import KnobbedRecipe, Knobs, has_knobs, knobs_of
from optlab.models.describe import Description
from optlab.recipes import Step
from optlab.report import page
from optlab.store.run import Run
from pages.components.shared import downloads, view, watching
from pages.components.shared import knobs as boxes
from pages.components.shared.view import View

KEY = "curve"
STATE, STEPS = "curve/state", "curve/steps"
PASSAGE = 0
"""The piece of the text that the teacher reads."""
BEYOND = "beyond"
"""Token of a recipe that no knobs can show."""

_mounted = {
    part: st.components.v2.component(
        f"optlab_curve_{part}", html=curve_assets.part(part), css=curve_assets.style(),
        js=curve_assets.script(curve_assets.STREAMLIT),
    )
    for part in curve_assets.PARTS
}  # fmt: skip


@dataclass
class State:
    """What the browser was told and has said. put: where the knobs were put with `token`; heard: where they are now."""

    model: str
    token: str
    put: Knobs
    heard: Knobs
    knobbed: KnobbedRecipe


def tiles(client: Client, shown: View, run: Run | None) -> None:
    """Draw the three tiles and the verdict. run: the measurement of the recipe on the page."""
    state: State | None = st.session_state.get(STATE)
    knobbed = state.knobbed if state is not None and has_knobs(shown.recipe) else None
    _mounted["tiles"](key="curve/tiles", data=said(client, shown, run, knobbed))


def said(client: Client, shown: View, run: Run | None, knobbed: KnobbedRecipe | None) -> JsonObject:
    """What the tiles show of the recipe on the page, for `assets/curve`; see `tiles`. Raises ModelError."""
    cell = standing.of(client, shown.model, shown.recipe, shown.protocol, run, knobbed)
    return {"cell": asdict(cell), "stands": asdict(knobs_of(shown.recipe)) if knobbed is not None else None}


def chart() -> None:
    """Draw size against loss; whatever `knobs` was given is in it."""
    _mounted["chart"](key="curve/chart", data={})


def knobs(client: Client, shown: View, description: Description) -> bool:
    """Draw the knobs, and tell tiles and chart what they show; False where the recipe is beyond three knobs."""
    steps: dict[str, Step] = st.session_state.setdefault(STEPS, {}).setdefault(shown.model, {})
    knobbed = KnobbedRecipe.of(shown.recipe, description, steps)
    if knobbed is None:
        drawn = curve.without_knobs(client, description, shown.protocol, BEYOND)
        _mounted["knobs"](key=KEY, data=drawn.to_json().encode(), on_moved_change=_heard)
        return False
    steps.update({step.kind: step for step in shown.recipe.steps})
    state = _state(shown.model, knobbed, knobs_of(shown.recipe))
    table = around(client, shown, description, knobbed, state.heard, state.token, state.put)
    table = replace(table, softened=_softened(client, shown, description, table))
    _mounted["knobs"](key=KEY, data=table.to_json().encode(), on_moved_change=_heard)
    return True


def around(
    client: Client, shown: View, description: Description, knobbed: KnobbedRecipe, now: Knobs, token: str = "",
    put: Knobs | None = None,
) -> Curve:  # fmt: skip
    """The curve of the model on the page. now: where the knobs are; token, put: see `State`; `now` unless given.
    Raises ModelError."""
    table = curve.of(client, description, knobbed, now, shown.protocol, token, put)
    return replace(table, words={**table.words, "train": _training(client, shown, knobbed)})


def to_send(client: Client, shown: View, description: Description) -> None:
    """A button that hands out the curve as one file; nothing for a recipe beyond three knobs."""
    state: State | None = st.session_state.get(STATE)
    if state is None or not has_knobs(shown.recipe):
        return
    # the person's page begins where the knobs are now, and not where they were put
    sent = curve.of(client, description, state.knobbed, state.heard, shown.protocol, state.token, state.heard)
    about = page.about(description, shown.protocol, shown.recipe)
    st.download_button(
        _("One file to send"), downloads.later(partial(page.html, sent, about)), file_name=f"optlab-{about.name}.html",
        mime="text/html", key="curve/page", icon=":material/send:", on_click="ignore",
        help=_("These knobs as one page that opens without a server or a network, to be sent to somebody."),
    )  # fmt: skip


def _training(client: Client, shown: View, knobbed: KnobbedRecipe) -> str:
    """What the box says that switches training on; the same wherever the knobs stand."""
    alone = knobbed.recipe(Knobs(temperature=float(knobbed.distill.values["temperature"] or 1.0)))
    expected = expectations.of_measurement(client, shown.model, alone, shown.protocol)
    if expected is None:
        return _("Recover by training")
    return _("Recover by training (about {time})").format(time=format.roughly(expected.seconds))


def _softened(client: Client, shown: View, description: Description, drawn: Curve) -> Softened | None:
    """What the teacher says at each stop of the temperature, where something is trained; it reads a passage first."""
    if not drawn.training or description.objective != "causal":
        return None
    run = client.find_temperature_lab(shown.model, None, shown.protocol, PASSAGE)
    if run is None and client.person.starts_work:
        with suppress(OptLabError):  # the page is about something else
            run = client.submit_temperature_lab(shown.model, None, shown.protocol, PASSAGE)
    if run is not None and run.live:
        watching.until_done(run)
    found = None if run is None else TEMPERATURE_LAB.result_of(run)
    stops = [float(stop.value or 1.0) for stop in drawn.temperature.stops]
    return None if found is None else softened.of(found, stops)


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
    told = st.session_state.get(KEY)  # None where the page was left while the knob was under way
    if state is None or told is None or not told.moved:
        return
    moved = told.moved
    bits, temperature = moved["bits"], moved["temperature"]
    state.heard = Knobs(
        None if bits is None else int(bits),
        float(moved["sparsity"]),
        None if temperature is None else float(temperature),
    )
    recipe = state.knobbed.recipe(state.heard)
    view.change(recipe=recipe)
    boxes.follow(recipe, state.model)
