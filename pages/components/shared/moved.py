"""Addresses that lead elsewhere: the root, and pages that became a part of another; old links keep working."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from optlab.recipes import Recipe
from pages.components.explore import first
from pages.components.shared import services, view

if TYPE_CHECKING:
    from streamlit.navigation.page import Page

EXPLORE, FIND_BEST = "pages/explore.py", "pages/find_best.py"
MOVED = {"overview": EXPLORE, "frontier": FIND_BEST, "advisor": FIND_BEST}
"""Path of an old address -> the page that shows it now."""


def landing() -> None:
    """The root: Explore with a first recipe, so that there is a result to see, and a measurement on its way."""
    shown = view.current()
    recipe = shown.recipe
    with services.shown_errors():
        description = services.client().description(shown.model)
        if not recipe.steps and description is not None:
            recipe = first.begun(description)
        elif not recipe.steps:  # its layers are being read; Explore begins once they are known
            first.wait(shown.model)
    _go(EXPLORE, recipe)


def pages() -> list[Page]:
    """The old addresses, in no menu."""
    return [
        st.Page(partial(_go, target), title=name, url_path=name, visibility="hidden") for name, target in MOVED.items()
    ]


def _go(target: str, recipe: Recipe | None = None) -> None:
    shown = view.current()
    asked = dict(st.query_params.to_dict())
    link = view.link(shown.model, shown.recipe if recipe is None else recipe, shown.protocol)
    st.switch_page(target, query_params=asked | link)
