"""Bits, or shares of zeros, layer by layer: a table that is read from the recipe and written back into it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from optlab.i18n import _
from optlab.methods import method
from optlab.models.describe import Description
from optlab.prediction.layer_values import BITS, ZEROS, Quantity, average, offered, values_of, with_values
from optlab.recipes import Recipe, Step
from optlab.results.measurement import LayerReport

HIGHEST = 0.95
"""The largest share of zeros that a layer may be given."""


def show(
    recipe: Recipe, description: Description, measured: Sequence[LayerReport], quantity: Quantity = BITS
) -> Recipe | None:
    """Draw the table; the recipe that the person wants now, None when nothing was changed."""
    step = offered(recipe, quantity)
    if step is None:
        st.caption(
            _("Switch on Quantize (with one method) to set the bits of each layer.") if quantity is BITS else
            _("To set the sparsity of each layer, prune unstructured with the same share in every layer.")
        )  # fmt: skip
        return None
    now = values_of(recipe, description, quantity)
    errors = {layer.name: layer.output_error for layer in measured}
    rows = [
        {
            "layer": name, quantity.key: int(now[name]) if quantity is BITS else now[name], "weights": out * width,
            "error": errors.get(name),
        }
        for name, (out, width) in description.linears
    ]  # fmt: skip
    table = st.data_editor(
        rows, key=f"layer-editor/{quantity.key}/{recipe.content_hash}", hide_index=True, height=360,
        disabled=["layer", "weights", "error"],
        column_config={
            "layer": st.column_config.TextColumn(_("Layer"), width="medium"),
            quantity.key: _column(step, quantity),
            "weights": st.column_config.NumberColumn(_("Weights"), format="localized"),
            "error": st.column_config.NumberColumn(
                _("Output error"), format="percent",
                help=_("Relative error of this layer's output in the last measurement: the higher, the more it gains "
                       "from another bit or fewer zeros."),
            ),
        },
    )  # fmt: skip
    wanted = {str(row["layer"]): float(row[quantity.key] or 0.0) for row in table}
    mean = average(description, wanted)
    st.caption(
        _("{bits:.2f} bits per weight on average, without scales.").format(bits=mean) if quantity is BITS else
        _("{share:.1%} zeros on average.").format(share=mean)
    )  # fmt: skip
    with st.container(horizontal=True):
        use = st.button(
            _("Use these bits") if quantity is BITS else _("Use these shares"), type="primary",
            disabled=wanted == now, icon=":material/check:",
        )  # fmt: skip
        reset = st.button(
            _("Reset to uniform"), disabled=len(set(now.values())) == 1, icon=":material/restart_alt:",
            key=f"layer-editor/{quantity.key}/reset",
        )  # fmt: skip
    if reset:
        return with_values(recipe, quantity, dict.fromkeys(now, quantity.read(step)))
    return with_values(recipe, quantity, wanted) if use else None


def _column(step: Step, quantity: Quantity) -> Any:
    parameter = next(one for one in method(step.kind, step.method).parameters if one.name == quantity.key)
    if quantity is ZEROS:
        return st.column_config.NumberColumn(
            _("Zeros"), min_value=0.0, max_value=HIGHEST, step=0.01, required=True, format="%.2f",
            help=_("The share of this layer's weights that become zero; 0 leaves it as it is."),
        )  # fmt: skip
    choices = [*range(int(parameter.minimum or 2), int(parameter.maximum or 8) + 1), int(BITS.untouched)]
    return st.column_config.SelectboxColumn(
        _("Bits"), options=choices, required=True,
        help=_("{dense} leaves the layer as it is.").format(dense=int(BITS.untouched)),
    )  # fmt: skip
