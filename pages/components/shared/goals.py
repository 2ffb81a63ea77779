"""Ready-made recipes as buttons: a person who has a goal, and no opinion on bits, starts from it."""

from __future__ import annotations

import streamlit as st

from optlab.i18n import _
from optlab.models.describe import Description
from optlab.presets import offered
from optlab.recipes import Recipe


def row(description: Description, shown: Recipe) -> Recipe | None:
    """Draw a button for each goal; the recipe of the one that was chosen just now. shown: on the page already."""
    chosen = None
    with st.container(key="goals", horizontal=True, gap="xsmall"):
        for preset in offered(description):
            recipe = preset.recipe(description)
            if st.button(
                _(preset.title), key=f"goals/row/{preset.name}", help=_(preset.summary),
                disabled=recipe == shown, width="content",
            ):  # fmt: skip
                chosen = recipe
    return chosen
