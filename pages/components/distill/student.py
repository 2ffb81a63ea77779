"""The student that a person sets up: the knobs of a distillation, as a recipe."""

from __future__ import annotations

import streamlit as st

from optlab.fitting import fitted
from optlab.i18n import _
from optlab.methods import DEFAULT_METHOD, method, names
from optlab.models.describe import Description
from optlab.recipes import Recipe, Step
from pages.components.shared import knobs, widgets

PREFIX = "distill/knob/"
SHOWN_FOR = "distill/shown for"
FIRST = ("student_layers", "start", "temperature", "alpha", "steps", "seconds")


def choose(description: Description, now: Recipe | None) -> Recipe:
    """The knobs, set to `now` or to a small student of this teacher. Raises RecipeError."""
    start = now.steps[0] if now is not None else _first(description)
    mark = (description.model, Recipe.of(start).content_hash)
    if st.session_state.get(SHOWN_FOR) != mark:
        widgets.forget(PREFIX)
        st.session_state[SHOWN_FOR] = mark
    offered = names("distill")
    loss = st.selectbox(
        _("Loss"), offered, key=widgets.keyed(f"{PREFIX}loss", start.method),
        format_func=lambda one: _(method("distill", one).title),
    )  # fmt: skip
    st.caption(_(method("distill", loss).summary))
    parameters = {p.name: fitted(p, description) for p in method("distill", loss).parameters}
    values = {name: knobs.knob(PREFIX, parameters[name], start.values) for name in FIRST}
    with st.expander(_("More"), icon=":material/more_horiz:"):
        values |= {
            name: knobs.knob(PREFIX, parameter, start.values)
            for name, parameter in parameters.items()
            if name not in FIRST
        }
        st.caption(_("Source: {source}").format(source=method("distill", loss).source))
    return Recipe.of(Step("distill", loss, values))


def _first(description: Description) -> Step:
    """A third of the blocks for a minute: small enough to watch, long enough to learn something."""
    values = {"student_layers": max(1, description.blocks // 3), "steps": 2000, "seconds": 60.0, "learning_rate": 1e-3}
    return Step("distill", DEFAULT_METHOD["distill"], values)
