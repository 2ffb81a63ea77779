"""Ready-made recipes as buttons: a person who has a goal, and no opinion on bits, starts from it."""

from __future__ import annotations

import streamlit as st

from optlab.i18n import _
from optlab.models.describe import Description
from optlab.presets import Preset, offered
from optlab.recipes import Recipe


def cards(description: Description) -> Recipe | None:
    """Draw a card for each goal; the recipe of the one that was chosen just now."""
    found = offered(description)
    chosen = None
    for column, preset in zip(st.columns(len(found)), found, strict=True):
        with column, st.container(border=True, height="stretch"):
            title = _(preset.title)
            st.markdown(f":material/{preset.icon}: **{title}**")
            st.markdown(_(preset.summary))
            if _button(preset, _("Show me"), "cards"):
                chosen = preset.recipe(description)
    return chosen


def row(description: Description, shown: Recipe) -> Recipe | None:
    """Draw a button for each goal; the recipe of the one that was chosen just now. shown: on the page already."""
    chosen = None
    with st.container(horizontal=True, gap="xsmall"):
        for preset in offered(description):
            recipe = preset.recipe(description)
            if _button(preset, _(preset.title), "row", recipe.content_hash == shown.content_hash):
                chosen = recipe
    return chosen


def _button(preset: Preset, label: str, place: str, disabled: bool = False) -> bool:
    return st.button(
        label, key=f"goals/{place}/{preset.name}", icon=f":material/{preset.icon}:" if place == "row" else None,
        help=_(preset.summary) if place == "row" else None, disabled=disabled, width="content",
    )  # fmt: skip
