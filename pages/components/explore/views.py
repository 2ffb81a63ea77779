"""The right of Explore: what came out, layer by layer, how fast, at real work, and to take home; one at a time."""

from __future__ import annotations

import streamlit as st

from optlab.client.client import Client
from optlab.i18n import _, language
from optlab.models.describe import Description
from optlab.recipes import Recipe
from optlab.store.run import Run
from pages.components.explore import export_view, layers_view, result_view, speed_view, work_view
from pages.components.shared import view
from pages.components.shared.view import View


def names() -> dict[str, str]:
    """Name of each view -> its title."""
    return {
        "result": _("Result"),
        "layers": _("Layers"),
        "speed": _("Speed"),
        "work": _("Real work"),
        "recipe": _("Recipe and export"),
    }


def go(name: str) -> None:
    """Open a view in the next run of the page."""
    st.session_state[_key()] = names()[name]


def show(client: Client, shown: View, description: Description, done: Run | None) -> None:
    """Draw the open view. done: the measurement of the recipe, once it is finished."""
    brought: Recipe | None = None
    result, layers, speed, work, export = st.tabs(list(names().values()), key=_key(), on_change="rerun")
    if result.open:
        with result:
            result_view.show(client, shown, description, done)
    if layers.open:
        with layers:
            brought = layers_view.show(client, shown, description, done)
    if speed.open:
        with speed:
            speed_view.show(client, shown, description, done)
    if work.open:
        with work:
            work_view.show(client, shown, description)
    if export.open:
        with export:
            brought = export_view.show(client, shown, description, done)
    if brought is not None:
        view.change(recipe=brought)
        st.rerun()


def _key() -> str:
    """Of the tabs; their state is a title, in the language of the reader."""
    return f"explore/view/{language()}"
