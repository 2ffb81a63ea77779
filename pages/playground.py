"""Playground: the original and the compressed model answer the same words, side by side, at their true speed."""

from __future__ import annotations

import streamlit as st

from optlab.client.recipes import measured_recipes
from optlab.i18n import _, said
from optlab.models.describe import Description
from pages.components.shared import facts, frame, prepare, services, view, writing

CHOSEN = "playground/recipe"
OFFERED = 100
"""Recipes in the list, those measured last; any other is opened from Runs or Compare by way of Explore."""


def main() -> None:
    """Draw the page."""
    st.title(_("Playground"))
    with services.shown_errors():
        shown = view.current()
        description = prepare.description(shown.model)
        if description is not None:
            facts.checkpoint_note(description)
            play(pick(shown), description)


def pick(shown: view.View) -> view.View:
    """The recipe of the view, or one that was measured on this model."""
    now = said(shown.recipe.describe()) if shown.recipe.steps else ""
    offered = {now: shown.recipe} if now else {}
    for recipe in measured_recipes(services.client(), shown.model, OFFERED):
        offered.setdefault(said(recipe.describe()), recipe)
    if not offered:
        st.info(_("No recipe yet: set one up in Explore, or measure one."), icon=":material/tune:")
        return shown
    chosen = st.selectbox(_("Compressed by"), list(offered), width=420, key=f"{CHOSEN}/{shown.model}/{now}")
    return shown if chosen == now else view.change(recipe=offered[chosen])


def play(shown: view.View, description: Description) -> None:
    """Prompt, both texts, and where they part."""
    if description.objective != "causal":
        st.info(_("This model fills gaps in a text and cannot continue one."))
        return
    chat = False
    if description.chat:
        modes = {"ask": _("Run the task"), "continue": _("Continue a text")}
        mode = st.segmented_control(
            _("Mode"), list(modes), default="ask", format_func=lambda mode: modes[mode], label_visibility="collapsed",
        )  # fmt: skip
        chat = mode != "continue"
    writing.show(services.client(), shown, description.default_text, chat, writing.TALL)


frame.required()
main()
