"""Choose a recipe, see what it does, understand why, and act: the page that carries the product."""

import streamlit as st

from optlab.i18n import _
from optlab.jobs.measured import unreadable
from pages.components.explore import automatic, first, heading, panel, strip, style, views
from pages.components.shared import frame, prediction, prepare, services, view
from pages.components.shared.services import sentence


def main() -> None:
    """Draw the page: a strip that stays, knobs at the left, one view of the result at the right."""
    shown = view.current()
    top = st.container(key="strip", gap="xsmall")
    with top:
        top_line = st.container(key="strip-heading", horizontal=True, vertical_alignment="center", gap="xsmall")
    with top_line:
        heading.show(shown.model)
    if shown.problem:
        st.warning(sentence(shown.problem), icon=":material/link_off:")
    with services.shown_errors():
        description = prepare.description(shown.model)
        if description is None:
            return
        client = services.client()
        shown = first.arrived(shown, description)
        with top_line:
            heading.about(description)
        left, right = st.columns([36, 76], gap="medium")
        with left, st.container(key="explore-panel"):
            shown, problem = panel.show(client, shown, description)
        with top:
            strip.show(client, shown, description, problem)
        with right, st.container(key="explore-view"):
            if problem:
                st.error(sentence(problem), icon=":material/block:")
            run = client.find(shown.model, shown.recipe, shown.protocol) if shown.recipe.steps else None
            if run is not None and (why := unreadable(run)) is not None:
                st.error(sentence(why), icon=":material/broken_image:")
                st.page_link("pages/runs.py", label=_("Delete it in Runs to measure it again"))
                run = None
            views.show(client, shown, description, run if run is not None and run.done else None)
        automatic.watch(client, shown, problem)
        prediction.time_speed(client, shown)


frame.required()
style.show()
frame.body(main)
