"""Find best: say what you need and get the recipe that keeps it, or see the best at every size."""

import streamlit as st

from optlab.i18n import _, language
from pages.components.find_best import needs, sizes
from pages.components.shared import facts, frame, prepare, services, view


def main() -> None:
    """Draw the page."""
    st.title(_("Find best"))
    with services.shown_errors():
        shown = view.current()
        description = prepare.description(shown.model)
        if description is None:
            return
        facts.checkpoint_note(description)
        # the titles of tabs are their state, so another language has other tabs
        need, size = st.tabs(
            [_("For what you need"), _("At every size")], key=f"find_best/view/{language()}", on_change="rerun"
        )
        if need.open:
            with need:
                needs.show(shown, description)
        if size.open:
            with size:
                sizes.show(shown)


frame.required()
main()
