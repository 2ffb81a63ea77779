"""What a newcomer sees first: a recipe with a result, on a model whose layers may have to be read before."""

from __future__ import annotations

import streamlit as st

from optlab.fitting import first_recipe
from optlab.models.describe import Description
from optlab.recipes import Recipe
from pages.components.explore import automatic
from pages.components.shared import view
from pages.components.shared.view import View

BITS = 4
"""Its loss can be seen and is small."""
WAITING = "first/waiting"


def begun(description: Description) -> Recipe:
    """The recipe that a model opens with, which is measured like one that a person moved."""
    automatic.newcomer(description.model)
    return recipe(description)


def recipe(description: Description) -> Recipe:
    """The recipe that a model opens with."""
    return first_recipe(BITS, description)


def wait(model: str) -> None:
    """`model` is opened for the first time, and is not described yet."""
    st.session_state[WAITING] = model


def arrived(shown: View, description: Description) -> View:
    """What is shown once its layers are known: the first recipe, where that was waited for and nobody chose another."""
    if st.session_state.pop(WAITING, None) != shown.model or shown.recipe.steps:
        return shown
    return view.change(recipe=begun(description))
