"""Where the recipe was before: one step back, or back to any of the last ones; of this session, for each model."""

from __future__ import annotations

import streamlit as st

from optlab.i18n import _, said
from optlab.recipes import Recipe
from pages.components.shared import services, view
from pages.components.shared.folded import PREFIX
from pages.components.shared.view import View

KEY, KEPT = "history", 12


def note(shown: View) -> None:
    """Call once the recipe of this run of the page is settled."""
    seen = _seen(shown.model)
    if not seen or seen[-1] != shown.recipe:
        seen.append(shown.recipe)
        del seen[:-KEPT]


def show(shown: View) -> None:
    """Draw the button that goes back, and the list of what was before."""
    before = _seen(shown.model)[:-1]
    st.button(
        _("Undo"), key="history/undo", icon=":material/undo:", disabled=not before, on_click=_back,
        args=(shown.model, len(before) - 1), help=_("Back to the recipe before this one."),
    )  # fmt: skip
    box = st.popover(
        _("History"), icon=":material/history:", disabled=not before, key=f"{PREFIX}history", on_change="rerun"
    )
    if not box.open:
        return
    with box:
        for place, recipe in reversed(list(enumerate(before))):
            words = services.escaped(said(recipe.describe())) if recipe.steps else _("the original")
            st.button(words, key=f"history/{place}", type="tertiary", on_click=_back, args=(shown.model, place))


def _back(model: str, place: int) -> None:
    """Show the recipe at `place`, and forget what came after it."""
    seen = _seen(model)
    del seen[place + 1 :]
    view.change(recipe=seen[-1])


def _seen(model: str) -> list[Recipe]:
    found: list[Recipe] = st.session_state.setdefault(KEY, {}).setdefault(model, [])
    return found
