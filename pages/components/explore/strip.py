"""The strip on top of Explore, which stays in sight: what the recipe does, Measure, and what comes next."""

from __future__ import annotations

import streamlit as st

from optlab.advice import next_steps
from optlab.client import expectations
from optlab.client.client import Client
from optlab.figures import format
from optlab.i18n import _, said
from optlab.jobs.measure_plan import trains
from optlab.models.describe import Description
from optlab.recipes import Recipe
from pages.components.explore import automatic, curve, views
from pages.components.shared import measuring, services, view, watching
from pages.components.shared.view import View

ASKED = "explore/asked"
"""Measure was pressed, and the page was not drawn up to here since."""
ICONS = {"protect": ":material/shield:", "recover": ":material/school:", "further": ":material/compress:"}


def show(client: Client, shown: View, description: Description, problem: str) -> None:
    """Draw it. problem: why the recipe cannot be measured, '' when it can."""
    left, right = st.columns([10, 3], vertical_alignment="top")
    with right, st.container(key="strip-actions", gap="xsmall"):
        _actions(client, shown, problem)
    run = client.find(shown.model, shown.recipe, shown.protocol) if shown.recipe.steps else None
    with left:
        if run is None or run.done:
            curve.tiles(client, shown, run)
        else:
            automatic.look(run)
            watching.follow(run, lambda now: curve.tiles(client, shown, now))
    with st.container(key="strip-next", horizontal=True, vertical_alignment="center", gap="xsmall"):
        if run is not None and not run.done:
            watching.watch(run, "measure")
        if shown.recipe.steps and (run is None or not run.live):
            _next(client, shown, description)


def _actions(client: Client, shown: View, problem: str) -> None:
    possible = bool(shown.recipe.steps) and not problem
    # the callback only notes it: knobs that rest at the same moment have their say first, and a run of the page that is
    # cut short before it comes here loses nothing
    st.button(
        measuring.label(client, shown, _("Measure")),
        type="primary", icon=":material/play_arrow:", width="stretch", key="explore/measure",
        disabled=not possible, on_click=_ask,
        help=_("Compresses the model with this recipe and measures both; at once if that was done before."),
    )  # fmt: skip
    if st.session_state.pop(ASKED, False) and possible:
        if trains(shown.recipe) and client.find(shown.model, shown.recipe, shown.protocol) is None:
            _before_training(shown)
        else:
            measuring.start(client, shown)
    st.button(
        _("Download"), key="explore/download", icon=":material/download:", width="stretch",
        disabled=not shown.recipe.steps, on_click=views.go, args=("recipe",),
        help=_("The compressed model as GGUF, safetensors or ONNX; and the recipe."),
    )  # fmt: skip
    if st.button(_("Compare"), key="explore/compare", icon=":material/scatter_plot:", width="stretch"):
        st.switch_page("pages/compare.py", query_params=view.link(shown.model, shown.recipe, shown.protocol))


def _ask() -> None:
    st.session_state[ASKED] = True


def _next(client: Client, shown: View, description: Description) -> None:
    for step in next_steps.after(client, description, shown.recipe, shown.protocol):
        st.button(
            services.escaped(said(step.words)), key=f"next/{step.name}", icon=ICONS[step.name], type="tertiary",
            on_click=_take, args=(step.recipe,),
        )  # fmt: skip


def _take(recipe: Recipe) -> None:
    view.change(recipe=recipe)


def _before_training(shown: View) -> None:
    """Ask before minutes of all processors are spent."""
    st.dialog(_("Training starts"), icon=":material/school:")(_asked)(shown)


def _asked(shown: View) -> None:
    client = services.client()
    expected = expectations.of_measurement(client, shown.model, shown.recipe, shown.protocol)
    st.markdown(_("This recipe trains the compressed model to write like the original."))
    if expected is not None:
        words = _("On this machine that takes about {time} and {memory} of memory. It can be stopped.")
        time, memory = format.roughly(expected.seconds), format.megabytes(round(expected.memory_bytes, -8))
        st.markdown(words.format(time=time, memory=memory))
    with st.container(horizontal=True):
        # a callback, because the page below must find the run when it is drawn again
        if services.action(
            _("Start training"), "training/start", ":material/play_arrow:", measuring.start, client, shown,
            type="primary",
        ):  # fmt: skip
            st.rerun()
        if st.button(_("Not now"), key="training/not"):
            st.rerun()
