"""Recipe and export: the compressed model as a file, and the recipe for this tool and for others."""

from __future__ import annotations

import streamlit as st

from optlab.client.client import Client
from optlab.i18n import _
from optlab.models.describe import Description
from optlab.recipes import Recipe
from optlab.store.run import Run
from pages.components.explore import curve, recipe_file
from pages.components.shared import take_home
from pages.components.shared.view import View


def show(client: Client, shown: View, description: Description, done: Run | None) -> Recipe | None:
    """Draw it; the recipe that a person brought just now, else None. done: the finished measurement of the recipe."""
    heading = _("Take the model home")
    st.markdown(f"**{heading}**")
    if done is not None:
        take_home.show(client, done)
    else:
        st.caption(_("Measure the recipe first: what is measured is what you download."))
    curve.to_send(client, shown, description)
    return recipe_file.show(shown) if shown.recipe.steps else recipe_file.brought()
