"""The recipe as a file: read it, take it along, bring one; and the command that measures the same without a browser."""

from __future__ import annotations

import streamlit as st

from optlab.errors import RecipeError
from optlab.i18n import _
from optlab.recipes import LARGEST, Recipe
from optlab.report.links import command
from pages.components.shared import other_tools, services
from pages.components.shared.services import sentence
from pages.components.shared.view import View

TAKEN = "recipe/taken"


def show(view: View) -> Recipe | None:
    """Draw the recipe; returns the one that a person brought just now, else None."""
    st.code(view.recipe.to_yaml(), language="yaml", wrap_lines=True)
    st.download_button(
        _("Download recipe"), view.recipe.to_yaml(), file_name=f"recipe-{view.recipe.content_hash[:8]}.yaml",
        mime="application/yaml", icon=":material/download:", on_click="ignore",
    )  # fmt: skip
    st.markdown(_("From the command line:"))
    st.code(command(view.model, view.protocol), language="bash", wrap_lines=True)
    description = services.client().description(view.model)
    other_tools.show(view.recipe, [layer for layer, _ in description.linears] if description else [])
    return brought()


def brought() -> Recipe | None:
    """Draw the upload and the field to paste into; the recipe that has just come from either, else None."""
    file = st.file_uploader(
        _("Use a recipe file"), type=["yaml", "yml", "json"], key="recipe/upload", max_upload_size=1
    )
    with st.form("recipe/paste", border=False):
        pasted = st.text_area(
            _("or paste a recipe"), key="recipe/pasted", height=110, max_chars=LARGEST,
            placeholder="steps:\n  - quantize: {bits: 4, group_size: 64}",
        )  # fmt: skip
        used = st.form_submit_button(_("Use what I pasted"), icon=":material/content_paste:")
    if used and pasted.strip():
        return _read(pasted.encode())
    if file is None or st.session_state.get(TAKEN) == file.file_id:
        return None
    recipe = _read(file.getvalue())
    if recipe is not None:
        st.session_state[TAKEN] = file.file_id
    return recipe


def _read(content: bytes) -> Recipe | None:
    """The recipe; None after saying what is wrong with it."""
    try:
        if len(content) > LARGEST:
            raise RecipeError("the recipe is larger than 1 MB, which no recipe is")
        return Recipe.from_yaml(content.decode())
    except UnicodeDecodeError:
        st.error(_("The recipe is not UTF-8 text."))
    except RecipeError as error:
        st.error(sentence(error.message))
    return None
