"""The recipe in the words of another tool: text to copy or to download, or one sentence that says why there is none."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from optlab.errors import RecipeError
from optlab.i18n import _
from optlab.recipe_writers.tools import TOOLS
from optlab.recipes import Recipe
from pages.components.shared.services import sentence


def show(recipe: Recipe, names: Sequence[str]) -> None:
    """Draw the choice of a tool and its text. names: linear layers of the model's blocks."""
    chosen = st.segmented_control(
        _("The same for another tool"), list(TOOLS), default=next(iter(TOOLS)), key="other_tools/tool",
        format_func=lambda name: TOOLS[name].label,
        help=_("The settings are the same; each tool rounds in its own way, so measure its file too."),
    )  # fmt: skip
    if chosen is None:
        return
    tool = TOOLS[chosen]
    try:
        text = tool.text(recipe, names)
    except RecipeError as error:
        st.info(sentence(error.message), icon=":material/block:")
        return
    st.code(text, language=tool.language, wrap_lines=True)
    st.download_button(
        _("Download {file}").format(file=tool.file_name), text, file_name=tool.file_name, mime="text/plain",
        key="other_tools/download", icon=":material/download:", on_click="ignore",
    )  # fmt: skip
