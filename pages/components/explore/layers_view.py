"""Layers: which ones hurt, which bits and zeros each has, what happened inside one, and which heads can go."""

from __future__ import annotations

import streamlit as st

from optlab.client.client import Client
from optlab.figures import layer_strip
from optlab.figures.storage import pruning
from optlab.i18n import _
from optlab.jobs.measure import MEASURE
from optlab.models.describe import Description
from optlab.prediction.layer_values import ZEROS
from optlab.recipes import Recipe
from optlab.store.run import Run
from pages.components.explore import heads, layer_editor, layer_inspection, measurement, sensitivity, storage
from pages.components.shared import services
from pages.components.shared.view import View

KEY = "layers/part"


def show(client: Client, shown: View, description: Description, done: Run | None) -> Recipe | None:
    """Draw the part that is chosen; the recipe that a person made there, else None."""
    recipe = shown.recipe
    offered = _parts(recipe, done)
    if recipe.steps:
        st.html(layer_strip.html(recipe, description))
        st.caption(services.escaped(layer_strip.caption(recipe, description)))
    if st.session_state.get(KEY) not in offered:  # what was shown of another recipe
        st.session_state.pop(KEY, None)
    chosen = st.segmented_control(
        _("Shown"), list(offered), default=next(iter(offered)), key=KEY, format_func=offered.__getitem__,
        label_visibility="collapsed",
    ) or next(iter(offered))  # fmt: skip
    result = MEASURE.result_of(done) if done is not None else None
    layers = result.layers if result else ()
    match chosen:
        case "sensitivity":
            sensitivity.show(client, shown, description)
        case "bits":
            return layer_editor.show(recipe, description, layers)
        case "zeros":
            return layer_editor.show(recipe, description, layers, ZEROS)
        case "saves":
            storage.show(recipe, description, layers)
        case "measured" if done is not None:
            measurement.layers(done)
        case "inside" if done is not None:
            layer_inspection.show(client, shown, done)
        case "heads":
            return heads.show(client, shown)
    return None


def go(part: str) -> None:
    """Open a part in the next run of the page."""
    st.session_state[KEY] = part


def _parts(recipe: Recipe, done: Run | None) -> dict[str, str]:
    """Name of each part that has something to show -> its title."""
    found: dict[str, str] = {}
    if done is not None:
        found["measured"] = _("As measured")
    if recipe.steps:
        found |= {"sensitivity": _("Sensitivity"), "bits": _("Bits")}
    if pruning(recipe) is not None:
        found |= {"zeros": _("Zeros"), "saves": _("What zeros save")}
    if done is not None:
        found["inside"] = _("Look inside")
    return found | {"heads": _("Attention heads")}
