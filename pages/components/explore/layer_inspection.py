"""Inside one layer of the measured model: its weights, their grid, where the error is, and what other methods made."""

from __future__ import annotations

import streamlit as st

from optlab.advice.methods import at_bits, bits_of, worse_than_plain
from optlab.client.client import Client
from optlab.figures import format, layer_inspection, why
from optlab.i18n import _
from optlab.jobs.layer_inspection import LAYER_INSPECTION
from optlab.jobs.measure import MEASURE
from optlab.jobs.measured import readable
from optlab.store.run import Run, Status
from pages.components.shared import services, watching
from pages.components.shared.view import View

CHART = {"displayModeBar": False}


def show(client: Client, view: View, run: Run) -> None:
    """Draw the section below a finished measurement."""
    result = MEASURE.result_of(run)
    if result is None:
        return
    names, worst = [layer.name for layer in result.layers], result.worst_layer
    if worst is None:
        return
    for said in why.sentences(result):
        st.markdown(said)
    layer = st.selectbox(
        _("Layer"), names, index=names.index(worst.name), key=f"layer_inspection/layer/{run.id}", width=420,
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
    found = LAYER_INSPECTION.result_of(run)
    if found is None:
        return
    st.caption(
        _("The weights moved by {error} of their size on average; {distinct} distinct values remain in the first "
          "rows, and {zeros} of all weights are zero.").format(
            error=format.percent(found.error), distinct=format.amount(found.distinct),
            zeros=format.percent(found.sparsity),
        )
    )  # fmt: skip
    tabs = st.tabs([_("All weights"), _("One group, weight by weight"), _("Where the error is")])
    with tabs[0]:
        st.plotly_chart(layer_inspection.histogram(found.histogram), key="layer_inspection/histogram", config=CHART)
        st.caption(
            _("Grey: original weights. Blue: compressed weights. Few bits allow few values, so blue forms a comb.")
        )
    with tabs[1]:
        st.plotly_chart(layer_inspection.group(found.group), key="layer_inspection/group", config=CHART)
        st.caption(
            _("Row {row}, from weight {begin} on: the group with the median error. Lines are the values that its "
              "scale and zero point allow; every weight sits on one.").format(
                row=found.group.row, begin=found.group.begin)
        )  # fmt: skip
    with tabs[2]:
        st.plotly_chart(layer_inspection.error_map(found.map), key="layer_inspection/map", config=CHART)
        st.caption(
            _(
                "Change of the weights relative to their size. Vertical stripes are inputs whose weights changed in "
                "every output."
            )
        )


def methods(client: Client, view: View, layer: str) -> None:
    """What every method that was measured at the same bits did to this layer and to the whole."""
    bits = bits_of(view.recipe)
    if bits is None:
        return
    found = at_bits(readable(client.runs("measure", Status.DONE, model=view.model)), bits, layer, view.protocol.text)
    if len(found) < 2:
        st.caption(_("Measure another method at {bits} bits to compare both here.").format(bits=bits))
        return
    st.markdown(_("**Methods at {bits} bits on this model**").format(bits=bits))
    column = st.column_config
    st.dataframe(
        {
            "method": [one.title for one in found], "ratio": [one.ratio for one in found],
            "error": [one.error for one in found], "seconds": [one.seconds for one in found],
        },
        hide_index=True, height="content",
        column_config={
            "method": column.TextColumn(_("Recipe"), width="medium"),
            "ratio": column.NumberColumn(_("Perplexity ratio"), format="%.4f"),
            "error": column.NumberColumn(_("Error of this layer"), format="percent"),
            "seconds": column.NumberColumn(_("Seconds"), format="%.1f"),
        },
    )  # fmt: skip
    for one in worse_than_plain(found):
        words = _("{method} measures worse than plain rounding here.")
        st.caption(words.format(method=services.escaped(one.title)))
    st.caption(_("Best so far: {method}.").format(method=services.escaped(found[0].title)))
