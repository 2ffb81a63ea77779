"""Ready-made recipes as buttons: a person who has a goal, and no opinion on bits, starts from it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from optlab.i18n import _
from optlab.models.describe import Description
from optlab.presets import offered
from optlab.recipes import Recipe


def row(description: Description, shown: Recipe, choose: Callable[[Recipe], None]) -> None:
    """Draw a button for each goal. shown: on the page already. choose: called with the recipe of a goal that was
    pressed, before the page is drawn again."""
    with st.container(key="goals", horizontal=True, gap="xsmall"):
        for preset in offered(description):
            recipe = preset.recipe(description)
            st.button(
                _(preset.title), key=f"goals/row/{preset.name}", help=_(preset.summary), disabled=recipe == shown,
                on_click=choose, args=(recipe,), width="content",
            )  # fmt: skip
