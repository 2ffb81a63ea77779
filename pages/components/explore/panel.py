"""The left of Explore: goals, three knobs, a switch for embedding and head, and everything else folded away."""

from __future__ import annotations

from functools import partial

import streamlit as st

from optlab.client.client import Client
from optlab.errors import OptLabError, RecipeError
from optlab.figures import layer_strip
from optlab.figures.format import percent
from optlab.i18n import _, said
from optlab.knobs import has_knobs, treats_words, with_words
from optlab.models.describe import Description
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from pages.components.explore import automatic, curve, history, layers_view, protocol, verdict, views
from pages.components.shared import goals, knobs, services, view
from pages.components.shared.folded import folded
from pages.components.shared.services import sentence
from pages.components.shared.view import View

MANY = 0.2
"""Share of a model's bytes from which embedding and head are worth a switch in sight."""


def show(client: Client, shown: View, description: Description) -> tuple[View, str]:
    """Draw it; what is shown from now on, and why the recipe cannot be used, '' when it can."""
    goals.row(description, shown.recipe, _take)
    above = st.container(gap="xsmall")
    with folded(_("Advanced"), "advanced", ":material/tune:") as opened:
        recipe, settings, problem = _choose(shown, description, opened)
        if opened:
            automatic.switch(description)
    automatic.settle(description)
    if (recipe, settings) != (shown.recipe, shown.protocol):
        shown = view.change(recipe=recipe, protocol=settings)
    history.note(shown)
    with above:  # drawn last, because the boxes below have a say in the recipe
        if not curve.knobs(client, shown, description):
            _beyond(shown, description)
        _words(shown.recipe, description)
    with st.container(horizontal=True, gap="xsmall"):
        history.show(shown)
    return shown, problem


def _choose(shown: View, description: Description, opened: bool) -> tuple[Recipe, Protocol, str]:
    """The boxes and settings; a problem says why they do not fit, and the recipe then stays as it was."""
    recipe, settings, problem = shown.recipe, shown.protocol, ""
    try:
        if opened and knobs.shows(recipe):
            _say_misfit(recipe, description)
            below = partial(verdict.show, services.client(), shown)
            recipe = knobs.recipe_knobs(recipe, description.model, description, below, has_knobs(recipe))
        recipe.check_fits(description.linears, description.matrices)
    except RecipeError as error:
        problem = str(error)
    if opened:
        try:
            settings = protocol.settings(settings, description)
        except OptLabError as error:
            problem = str(error)
    return recipe, settings, problem


def _say_misfit(recipe: Recipe, description: Description) -> None:
    """A recipe that came from elsewhere may not fit this model; the knobs then show the nearest that does."""
    try:
        recipe.check_fits(description.linears, description.matrices)
    except RecipeError as error:
        st.warning(sentence(_("{why}; the knobs show the nearest valid setting").format(why=said(error.message))))


def _beyond(shown: View, description: Description) -> None:
    """A recipe with more to it than three knobs: bits and zeros of every layer, and a way to change them."""
    st.html(layer_strip.html(shown.recipe, description))
    st.caption(services.escaped(layer_strip.caption(shown.recipe, description)))
    with st.container(horizontal=True, gap="xsmall"):
        st.button(_("Edit"), key="beyond/edit", icon=":material/edit:", on_click=_edit)
        st.button(_("Start again with knobs"), key="beyond/again", on_click=_take, args=(Recipe(),))


def _edit() -> None:
    views.go("layers")
    layers_view.go("bits")


def _words(recipe: Recipe, description: Description) -> None:
    """The switch for embedding and head, where they are a good part of the model."""
    held = sum(layer.bytes for layer in description.layers if layer.kind in ("embedding", "head"))
    share = held / max(description.size_bytes, 1)
    treated = treats_words(recipe)
    other = with_words(recipe, not treated)  # None where nothing is quantized, or not every layer
    if share < MANY:
        return
    st.session_state["explore/words"] = treated
    st.toggle(
        _("Embedding and head too ({share} of the bytes)").format(share=percent(share)), key="explore/words",
        on_change=_take, args=(other,), disabled=other is None,
        help=_("They hold a row for each word of the vocabulary and stay in 16 bits unless this is on.")
        if other is not None
        else _("They hold a row for each word of the vocabulary. Choose Bits first: this lets them follow."),
    )  # fmt: skip


def _take(recipe: Recipe) -> None:
    view.change(recipe=recipe)
