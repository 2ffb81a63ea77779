"""The pages and their order, that a page is never shown without its frame, and that it is drawn without it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from optlab import paths
from optlab.i18n import _
from pages.components.server import garbage
from pages.components.shared import language, moved, services, view

if TYPE_CHECKING:
    from streamlit.navigation.page import Page

FRAMED = "framed"
SIDEBAR = 248
"""Pixels."""
LEGIBLE = "<style>button[kind^='primary'] { color: light-dark(#FFFFFF, #11161C) }</style>"
"""Streamlit writes white on primary buttons in both themes. In the dark one the primary colour is light, because it is
also that of words on dark ground, and white on it could not be read; no setting of the theme changes that."""


def navigation() -> Page:
    """Tell Streamlit the pages; returns the one to run."""
    language.read()
    # before the pages, whose icons would otherwise be fetched from the internet for the browser's tab
    st.set_page_config(
        page_title="OptLab", page_icon=str(paths.ASSETS / "icon.svg"), layout="wide", initial_sidebar_state=SIDEBAR
    )
    st.html(LEGIBLE)
    st.logo(str(paths.ASSETS / "wordmark.svg"), size="large")
    return st.navigation(
        [
            st.Page("pages/explore.py", title=_("Explore"), icon=":material/tune:"),
            st.Page("pages/find_best.py", title=_("Find best"), icon=":material/target:"),
            st.Page("pages/distill.py", title=_("Distill"), icon=":material/science:"),
            st.Page("pages/compare.py", title=_("Compare"), icon=":material/scatter_plot:"),
            st.Page("pages/learn.py", title=_("Learn"), icon=":material/school:"),
            st.Page("pages/runs.py", title=_("Runs"), icon=":material/list:", visibility="hidden"),
            st.Page("pages/playground.py", title=_("Playground"), icon=":material/forum:", visibility="hidden"),
            st.Page(moved.landing, title="OptLab", default=True, visibility="hidden"),
            *moved.pages(),
        ],
        position="top",
    )


def required() -> None:
    """Begin again with the frame when this page was started without it.

    Until a first session has called `st.navigation`, Streamlit takes the files of a folder named `pages` for pages of
    their own: a link to one of them, opened first after a start, would show no sidebar and start no workers.
    """
    if not st.session_state.get(FRAMED):
        navigation()
        st.rerun()


def body(draw: Callable[[], None]) -> None:
    """Draw all of a page with `draw`. What a person moves in it draws it again, and neither navigation nor sidebar:
    these are a third of the work, and only the sidebar's model has to do with the page."""
    st.fragment(_body)(draw, view.current().model)


def _body(draw: Callable[[], None], model: str) -> None:
    services.begin()
    if view.current().model != model:
        st.rerun()
    draw()
    garbage.settle()
