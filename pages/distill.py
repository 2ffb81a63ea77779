"""Distill: set up a student, watch it learn beside a control, see what temperature does, and find the best one."""

import streamlit as st

from optlab.client.recipes import last_student
from optlab.distill.control import is_distillation
from optlab.errors import RecipeError
from optlab.i18n import _
from optlab.jobs.measured import measured
from optlab.models.describe import Description
from optlab.recipes import Recipe
from optlab.store.run import Run
from pages.components.distill import lab, student, sweep, training
from pages.components.shared import facts, frame, measuring, pairs, prepare, services, view


def main() -> None:
    """Draw the page."""
    shown = view.current()
    st.title(_("Distill"))
    st.caption(_("A small student learns from a large teacher: not only which token is right, but how likely the "
                 "teacher finds every other token."))  # fmt: skip
    with services.shown_errors():
        description = prepare.description(shown.model)
        if description is None:
            return
        if description.objective != "causal":
            st.info(_("This model fills gaps in a text; a student needs a teacher that continues text."))
            return
        client = services.client()
        now = shown.recipe if is_distillation(shown.recipe) else last_student(client, shown.model)
        left, right = st.columns([5, 11], gap="large")
        with left:
            started = set_up(shown, description, now)
        with right:
            facts.checkpoint_note(description)
            done = training.show(client, shown, started or now)
            if done is not None:
                outcome(done)
        st.subheader(_("What a temperature does"))
        lab.show(shown, done)
        st.subheader(_("Which temperature is best"))
        sweep.show(shown, started or now)


def set_up(shown: view.View, description: Description, now: Recipe | None) -> Recipe | None:
    """The knobs and the button; the recipe, when it was pressed."""
    with st.container(border=True):
        st.markdown(_("**Teacher**: {name}, {blocks} blocks").format(name=description.title, blocks=description.blocks))
        try:
            recipe = student.choose(description, now)
        except RecipeError as error:
            st.error(services.sentence(error.message), icon=":material/block:")
            return None
        control = st.toggle(
            _("With a control student"), value=True, key="distill/control",
            help=_("The same student, start and time, trained on the text alone: the difference is what the teacher "
                   "adds."),
        )  # fmt: skip
    pressed = st.button(
        measuring.label(services.client(), shown, _("Start"), recipe),
        type="primary", icon=":material/play_arrow:", width="stretch", key="distill/start",
        help=_("Trains the student and measures it; a stopped training continues where it was."),
    )  # fmt: skip
    st.caption(_("Training keeps this machine busy; other runs wait. A control takes as long again."))
    if not pressed:
        return None
    training.start(services.client(), shown, recipe, control)
    view.change(recipe=recipe)
    return recipe


def outcome(run: Run) -> None:
    """What the finished student measures, and where it can be seen beside others."""
    done = measured(run)
    if done is None:
        return
    pairs.show(done.result, run)
    with st.container(horizontal=True):
        st.page_link("pages/compare.py", label=_("See it in Compare"), icon=":material/scatter_plot:")
        st.page_link(
            "pages/explore.py", query_params=view.link_to_run(done.spec), icon=":material/tune:",
            label=_("Open it in Explore"),
        )  # fmt: skip


frame.required()
main()
