"""The knobs of a recipe, built from what the methods declare and from nothing else.

A step of each kind can be switched on; its method and its parameters follow. A recipe that the knobs cannot show (two
steps of a kind, another order) is kept as it is and shown as text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from optlab.fitting import fitted
from optlab.i18n import _
from optlab.knobs import KNOB, ORDER
from optlab.methods import DEFAULT_METHOD, Parameter, Value, method, names
from optlab.models.describe import Description
from optlab.recipes import Recipe, Step
from pages.components.shared import widgets

PREFIX = "knob/"
DRAWN = ("quantize", "prune", "distill", "cache")
"""Of the knobs on the page: the one that everybody tries first on top."""
LARGEST_SLIDER = 400
SHOWN_FOR = "knobs/shown for"


def title(kind: str) -> str:
    """A kind of step as a heading."""
    titles = {"prune": _("Prune"), "distill": _("Distill"), "quantize": _("Quantize"), "cache": _("Cache")}
    return titles[kind]


def meaning(kind: str) -> str:
    """What a kind of step does, for someone who hears the word for the first time."""
    return {
        "prune": _("Sets the weights that matter least to zero. Often half can go; the file only shrinks when zeros "
                   "are left out of it, and the model is only faster where a kernel skips them."),
        "distill": _("Trains the compressed model, or one with fewer blocks, to predict like the original. The "
                     "temperature sets how much it sees of the original's less likely tokens."),
        "quantize": _("Stores each weight with fewer bits. 8 bits lose almost nothing, 2 bits can lose a lot; "
                      "measure to see how much. Quantized weights shrink in proportion."),
        "cache": _("Stores the key-value cache, the model's memory of earlier tokens, with fewer bits. The file "
                   "stays the same; with long texts the cache can outgrow the weights."),
    }[kind]  # fmt: skip


def icon(kind: str) -> str:
    """The icon of a kind of step."""
    icons = {"prune": "content_cut", "distill": "science", "quantize": "straighten", "cache": "memory"}
    return f":material/{icons[kind]}:"


def shows(recipe: Recipe) -> bool:
    """Whether the knobs can show `recipe`: at most one step of each kind, in their order."""
    places = [ORDER.index(step.kind) for step in recipe.steps]
    return places == sorted(set(places))


def recipe_knobs(
    recipe: Recipe, model: str, description: Description, below: Callable[[Step], None] = lambda step: None,
    held: bool = False,
) -> Recipe:  # fmt: skip
    """Draw the knobs, set to `recipe`, and return what they are set to now. Raises RecipeError.

    below: draws what belongs under the knobs of a step. held: bits, sparsity and temperature have knobs elsewhere (see
    `optlab.knobs`) and stay as they are.
    """
    if st.session_state.get(SHOWN_FOR) != (model, recipe.content_hash):
        widgets.forget(PREFIX)  # another recipe came from outside: a link, a file, another page
    now = {step.kind: step for step in recipe.steps}
    steps = {kind: _step(kind, now.get(kind), description, below, held) for kind in DRAWN}
    chosen = Recipe(tuple(step for kind in ORDER if (step := steps[kind]) is not None))
    st.session_state[SHOWN_FOR] = (model, chosen.content_hash)
    return chosen


def follow(recipe: Recipe, model: str) -> None:
    """Show `recipe` from the next run on, which differs from the one that is shown only by what is held elsewhere.

    What a person set in the boxes meanwhile is kept; it would not be if the recipe came as from a link.
    """
    for kind in DRAWN:
        st.session_state[f"{PREFIX}{kind}/on"] = any(step.kind == kind for step in recipe.steps)
    st.session_state[SHOWN_FOR] = (model, recipe.content_hash)


def _step(
    kind: str, step: Step | None, description: Description, below: Callable[[Step], None], held: bool
) -> Step | None:
    with st.container(border=True):
        on = widgets.keyed(f"{PREFIX}{kind}/on", step is not None)
        if not st.toggle(f"**{title(kind)}**", key=on, help=meaning(kind)):
            return None
        chosen = _method(kind, step.method if step else DEFAULT_METHOD[kind])
        found = method(kind, chosen)
        st.caption(_(found.summary))
        start = step.values if step is not None and step.method == chosen else {}
        elsewhere = {KNOB[kind]} if held and kind in KNOB else set()
        parameters = [fitted(p, description) for p in found.parameters if p.name not in elsewhere]
        scope = f"{PREFIX}{kind}/{chosen}"
        values = {name: step.values[name] for name in elsewhere if step is not None and name in step.values}
        values |= {p.name: knob(scope, p, start) for p in parameters if not p.advanced}
        with st.expander(_("More"), icon=":material/more_horiz:"):
            values |= {p.name: knob(scope, p, start) for p in parameters if p.advanced}
            pattern = step.layers if step is not None else None
            layers = st.text_input(
                _("Only layers that match"), key=widgets.keyed(f"{PREFIX}{kind}/layers", pattern or ""),
                placeholder=r"model\.layers\.[0-9]+\.mlp.*",
                help=_("A regular expression on layer names, matched from the start. Empty: every linear layer of the "
                       "blocks."),
            )  # fmt: skip
            st.caption(_("Source: {source}").format(source=found.source))
        made = Step(kind, chosen, values, layers.strip() or None)
        below(made)
    return made


def _method(kind: str, now: str) -> str:
    """The name of the method that is chosen; where there is one only, there is nothing to choose."""
    offered = names(kind)
    if len(offered) == 1:
        st.markdown(_(method(kind, offered[0]).title))
        return offered[0]
    return st.selectbox(
        _("Method"), offered, key=widgets.keyed(f"{PREFIX}{kind}/method", now),
        format_func=lambda one: _(method(kind, one).title),
    )  # fmt: skip


def knob(scope: str, parameter: Parameter, start: Mapping[str, Any]) -> Value:
    """The widget that suits a parameter; returns its value, None for 'none'."""
    label = _(parameter.label)
    if parameter.unit and parameter.unit not in parameter.label.lower():
        label = _("{label} ({unit})").format(label=label, unit=_(parameter.unit))
    value = start.get(parameter.name, parameter.default)
    key = f"{scope}/{parameter.name}"
    help = _(parameter.help)
    if parameter.type is bool:
        return st.toggle(label, key=widgets.keyed(key, bool(value)), help=help)
    if parameter.choices is not None:
        choices = list(parameter.choices)
        if value not in choices:
            value = parameter.default if parameter.default in choices else choices[0]
        return widgets.choice(
            label, choices, value, key, lambda one: _(parameter.none_label) if one is None else _(str(one)), help
        )
    if parameter.type is str:
        return st.text_input(label, key=widgets.keyed(key, value or ""), help=help) or None
    return _number(label, widgets.keyed(key, value), help, parameter)


def _number(label: str, key: str, help: str, parameter: Parameter) -> Value:
    """A slider where the range is closed and its steps can be seen, else a field for a number."""
    cast: Any = parameter.type  # int or float; streamlit wants all numbers of a widget to be of one type
    low, high, step = (None if limit is None else cast(limit) for limit in _limits(parameter))
    if not parameter.optional and low is not None and high is not None and step:
        steps = (high - low) / step
        if steps <= LARGEST_SLIDER and math.isclose(steps, round(steps), abs_tol=1e-9):
            return st.slider(label, low, high, step=step, key=key, help=help)
    start: Any = None if parameter.optional else "min"
    return st.number_input(
        label, low, high, value=start, step=step, key=key, help=help,
        placeholder=_(parameter.none_label), format=None if cast is int else "%g",
    )  # fmt: skip


def _limits(parameter: Parameter) -> tuple[float | None, float | None, float | None]:
    return parameter.minimum, parameter.maximum, parameter.step
