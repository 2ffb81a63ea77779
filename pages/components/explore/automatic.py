"""Measuring by itself once the knobs rest: a prediction answers at once, and two seconds later the truth is on its way.

Only what the person moved is measured, never what a link brought, and nothing that trains: that takes minutes and is
asked for. A measurement that was begun so is stopped when the knobs move on, or when no tab shows it any more, because
nobody asked for it.
"""

from __future__ import annotations

import time
from contextlib import suppress

import streamlit as st

from optlab.client.client import Client
from optlab.errors import OptLabError
from optlab.i18n import _
from optlab.jobs.measure_plan import trains
from optlab.models.describe import Description
from optlab.store.run import Run
from pages.components.shared import services, view, widgets

REST_S = 2.0
MARGIN_S = 0.1
SMALL = 20_000_000
"""Parameters up to which a measurement takes seconds, so that it may start by itself unless told otherwise."""
SWITCH, SEEN, BEGUN = "automatic/on", "automatic/seen", "automatic/run"


def switch(description: Description) -> None:
    """The switch; on at first for a model that is measured in seconds. It keeps its place while nobody sees it."""
    st.toggle(
        _("Measure automatically"), key=widgets.keyed(_key(description), _usual(description)), persist_state="session",
        help=_("Starts a measurement two seconds after the last change; moving a knob again stops it."),
    )  # fmt: skip


def settle(description: Description) -> None:
    """Call once the switch had its chance to be drawn."""
    st.session_state[SWITCH] = st.session_state.get(_key(description), _usual(description))


def _key(description: Description) -> str:
    return f"{SWITCH}/{description.model}"


def _usual(description: Description) -> bool:
    return description.parameters <= SMALL


def newcomer(model: str) -> None:
    """The recipe that `model` opens with is measured like one that a person moved."""
    st.session_state[SEEN] = ((model, "", ""), None)


def watch(client: Client, shown: view.View, problem: str) -> None:
    """Call on every run of the page: notes when the recipe changed, and measures it when it has rested."""
    now = (shown.model, shown.recipe.content_hash, shown.protocol.model_dump_json())
    before, moved = st.session_state.get(SEEN, (None, None))
    if before != now:
        _stop(client)
        # What the page opens with was not moved by anybody.
        moved = time.monotonic() if before is not None and before[0] == shown.model else None
        st.session_state[SEEN] = (now, moved)
    if problem or not client.person.starts_work or not shown.recipe.steps or not st.session_state.get(SWITCH):
        return
    if trains(shown.recipe):
        st.caption(_("Training takes long, so it does not start by itself: press Measure."))
        return
    if moved is None:
        return
    if client.find(shown.model, shown.recipe, shown.protocol) is None:
        # asked once, when it is time: several tabs that ask every half second keep a server busy
        left = max(REST_S - (time.monotonic() - moved), 0.0)
        st.fragment(_rested, run_every=left + MARGIN_S)(shown, moved)


def look(run: Run) -> None:
    """Call for a live run that is shown: one that nobody asked for goes on while somebody sees it."""
    services.onlookers().look(run.id, *services.viewer())


def _rested(shown: view.View, moved: float) -> None:
    if time.monotonic() - moved < REST_S:
        return
    with services.shown_errors():
        run = services.client().submit_measure(shown.model, shown.recipe, shown.protocol)
        st.session_state[BEGUN] = run.id
        services.onlookers().begun(run.id, *services.viewer())
        st.rerun()


def _stop(client: Client) -> None:
    begun = st.session_state.pop(BEGUN, None)
    if begun is None:
        return
    run = client.run(begun)
    if run is not None and run.live and services.onlookers().unasked(begun):
        with suppress(OptLabError):  # it ended in the meantime
            services.onlookers().withdraw(begun)
