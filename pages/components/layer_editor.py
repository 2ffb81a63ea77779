"""Bits layer by layer: a table that is read from the recipe and written back into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from optlab.errors import RecipeError
from optlab.methods import method
from optlab.models.describe import Description
from optlab.predict.mixed import recipe_of
from optlab.recipes import Recipe, Step
from optlab.words import _

DENSE = 16
"""Stands for a layer that the quantization leaves alone."""


def offered(recipe: Recipe) -> Step | None:
    """The quantization step whose bits can be set layer by layer; None when the recipe has none, or different ones."""
    steps = [step for step in recipe.steps if step.kind == "quantize"]
    alike = {(step.method, tuple(sorted((k, str(v)) for k, v in step.values.items() if k != "bits"))) for step in steps}
    return steps[0] if len(alike) == 1 and "bits" in steps[0].values else None


def bits_of(recipe: Recipe, description: Description) -> dict[str, int]:
    """Layer -> bits of the recipe's quantization; the last step that names a layer counts, `DENSE` where none does."""
    names = [name for name, _ in description.linears]
    found = dict.fromkeys(names, DENSE)
    for step in recipe.steps:
        if step.kind == "quantize":
            found |= {
                name: int(step.values["bits"] or DENSE) for name in names if not step.layers or step.matches(name)
            }
    return found


def with_bits(recipe: Recipe, bits: Mapping[str, int]) -> Recipe:
    """`recipe` with its quantization at these bits; other steps stay before it. Raises RecipeError."""
    step = offered(recipe)
    if step is None:
        raise RecipeError("this recipe has no quantization whose bits can be set layer by layer")
    others = tuple(one for one in recipe.steps if one.kind != "quantize")
    if len(set(bits.values())) == 1 and DENSE not in bits.values():
        return Recipe((*others, Step(step.kind, step.method, {**step.values, "bits": next(iter(bits.values()))})))
    chosen = {
        name: [Step(step.kind, step.method, {**step.values, "bits": count})]
        for name, count in bits.items()
        if count != DENSE
    }
    return Recipe((*others, *recipe_of(chosen).steps))


def show(recipe: Recipe, description: Description, result: Mapping[str, Any]) -> Recipe | None:
    """Draw the table; the recipe that the person wants now, None when nothing was changed."""
    step = offered(recipe)
    if step is None:
        st.caption(_("Switch on Quantize (with one method) to give layers bits of their own."))
        return None
    parameter = next(one for one in method(step.kind, step.method).parameters if one.name == "bits")
    choices = [*range(int(parameter.minimum or 2), int(parameter.maximum or 8) + 1), DENSE]
    now = bits_of(recipe, description)
    errors = {layer["name"]: layer.get("output_error") for layer in result.get("layers") or []}
    rows = [
        {"layer": name, "bits": now[name], "weights": out * width, "error": errors.get(name)}
        for name, (out, width) in description.linears
    ]
    table = st.data_editor(
        rows, key=f"layer-editor/{recipe.content_hash}", hide_index=True, height=360,
        disabled=["layer", "weights", "error"],
        column_config={
            "layer": st.column_config.TextColumn(_("Layer"), width="medium"),
            "bits": st.column_config.SelectboxColumn(
                _("Bits"), options=choices, required=True,
                help=_("{dense} leaves the layer as it is.").format(dense=DENSE),
            ),
            "weights": st.column_config.NumberColumn(_("Weights"), format="localized"),
            "error": st.column_config.NumberColumn(
                _("Output error"), format="percent",
                help=_("How far this layer's output is off with the bits that were measured last; the higher, the more "
                       "it gains from another bit."),
            ),
        },
    )  # fmt: skip
    wanted = {row["layer"]: int(row["bits"]) for row in table}
    average = sum(wanted[name] * out * width for name, (out, width) in description.linears)
    total = sum(out * width for _name, (out, width) in description.linears)
    st.caption(_("{bits:.2f} bits per weight on average, without scales.").format(bits=average / total))
    with st.container(horizontal=True):
        use = st.button(_("Use these bits"), type="primary", disabled=wanted == now, icon=":material/check:")
        first = now[description.linears[0][0]]
        reset = st.button(_("All the same again"), disabled=len(set(now.values())) == 1, icon=":material/restart_alt:")
    if reset:
        return with_bits(recipe, dict.fromkeys(now, first if first != DENSE else choices[-2]))
    return with_bits(recipe, wanted) if use else None
