"""Inside one layer of the measured model: its weights, their grid, where the error is, and what other methods made."""

from __future__ import annotations

from typing import Any

import streamlit as st

from optlab.client.client import Client
from optlab.figures import format, layer_inspection, why
from optlab.i18n import _
from optlab.recipes import Recipe
from optlab.store.run import Run
from pages.components.shared import facts, services, watching
from pages.components.shared.view import View

CHART: dict[str, Any] = {"displayModeBar": False}


def show(client: Client, view: View, run: Run) -> None:
    """Draw the section below a finished measurement."""
    result = run.result or {}
    names = [layer["name"] for layer in result.get("layers") or []]
    if not names:
        return
    for said in why.sentences(result):
        st.markdown(said)
    errors = {layer["name"]: layer.get("output_error") or 0.0 for layer in result["layers"]}
    worst = max(names, key=lambda name: errors[name])
    layer = st.selectbox(
        _("Layer"), names, index=names.index(worst), key=f"layer_inspection/layer/{run.id}", width=420,
        help=_("The layer with the largest error is chosen first."),
    )  # fmt: skip
    wanted = client.find_layer_inspection(view.model, view.recipe, view.protocol, layer)
    if wanted is None:
        if not st.button(_("Look inside"), icon=":material/search:", key=f"layer_inspection/look/{run.id}"):
            return
        wanted = client.submit_layer_inspection(view.model, view.recipe, view.protocol, layer)
    watching.watch(wanted, "layer_inspection", _charts)
    methods(client, view, layer)


def _charts(run: Run) -> None:
    found = run.result
    if not found:
        return
    st.caption(
        _("The weights moved by {error} of their size on average; {distinct} different values are left in the first "
          "rows, {zeros} of all weights are zero.").format(
            error=format.percent(found["error"]), distinct=format.amount(found["distinct"]),
            zeros=format.percent(found["sparsity"]),
        )
    )  # fmt: skip
    tabs = st.tabs([_("All weights"), _("One group, weight by weight"), _("Where the error is")])
    with tabs[0]:
        st.plotly_chart(layer_inspection.histogram(found["histogram"]), key="layer_inspection/histogram", config=CHART)
        st.caption(
            _("Grey: the original weights. Blue: what they became. Few bits leave few values, so blue stands in combs.")
        )
    with tabs[1]:
        st.plotly_chart(layer_inspection.group(found["group"]), key="layer_inspection/group", config=CHART)
        st.caption(
            _("Row {row}, weights from {begin} on, a group whose error is the median of all. Lines are the values that "
              "its scale and zero point allow; every weight must sit on one.").format(**found["group"])
        )  # fmt: skip
    with tabs[2]:
        st.plotly_chart(layer_inspection.error_map(found["map"]), key="layer_inspection/map", config=CHART)
        st.caption(
            _("Change of the weights relative to their size. Vertical stripes are inputs that suffer in every output.")
        )


def methods(client: Client, view: View, layer: str) -> None:
    """What every method that was measured at the same bits did to this layer and to the whole."""
    bits = _bits(view.recipe)
    if bits is None:
        return
    rows: dict[str, dict[str, Any]] = {}
    for run in client.runs("measure", "done"):
        try:
            recipe = Recipe.from_dict(run.spec["recipe"])
        except Exception:  # a method that is no more: nothing to compare with
            continue
        if run.spec["model"] != view.model or _bits(recipe) != bits or facts.words(run) in rows:
            continue
        result = run.result or {}
        if result.get("text") != view.protocol.text and view.protocol.text is not None:
            continue
        error = next((one.get("output_error") for one in result.get("layers") or [] if one["name"] == layer), None)
        rows[facts.words(run)] = {
            "method": facts.words(run), "ratio": (result.get("delta") or {}).get("ppl_ratio"), "error": error,
            "seconds": (result.get("seconds") or {}).get("compress"),
        }  # fmt: skip
    if len(rows) < 2:
        st.caption(_("Measure another method at {bits} bits, and both are compared here.").format(bits=bits))
        return
    best = min((row for row in rows.values() if row["ratio"]), key=lambda row: row["ratio"], default=None)
    st.markdown(_("**Methods at {bits} bits on this model**").format(bits=bits))
    column = st.column_config
    st.dataframe(
        sorted(rows.values(), key=lambda row: row["ratio"] or float("inf")), hide_index=True, height="content",
        column_config={
            "method": column.TextColumn(_("Recipe"), width="medium"),
            "ratio": column.NumberColumn(_("Perplexity ratio"), format="%.4f"),
            "error": column.NumberColumn(_("Error of this layer"), format="percent"),
            "seconds": column.NumberColumn(_("Seconds"), format="%.1f"),
        },
    )  # fmt: skip
    plain = next((row for words, row in rows.items() if words.startswith("rtn")), None)
    for row in rows.values():
        if plain and row["ratio"] and plain["ratio"] and row["ratio"] > plain["ratio"]:
            st.caption(
                _("{method} measures worse than plain rounding here, whatever its fame.").format(
                    method=services.escaped(row["method"])
                )
            )
    if best:
        st.caption(_("Best so far: {method}.").format(method=services.escaped(best["method"])))


def _bits(recipe: Recipe) -> int | None:
    steps = [step for step in recipe.steps if step.kind == "quantize"]
    found = {step.values.get("bits") for step in steps}
    return int(str(found.pop())) if len(found) == 1 and None not in found else None
