"""Which layer hurts most for the bits it saves, as predicted; and whether two layers do more harm together."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from optlab.client.client import Client
from optlab.figures import costs as figure
from optlab.figures import format
from optlab.i18n import _
from optlab.jobs.measure import MEASURE
from optlab.models.describe import Description
from optlab.prediction.costs import Cost, costs
from optlab.prediction.interaction import interaction, trio
from optlab.store.run import Run
from pages.components.shared import services, watching
from pages.components.shared.view import View


def show(client: Client, shown: View, description: Description) -> None:
    """Draw both views, where the model was probed."""
    predictor = client.predictor(shown.model, shown.protocol)
    found = costs(predictor, shown.recipe) if predictor is not None else []
    if not found:
        st.caption(_("Probe this model to see its most sensitive layers; the recipe must lie within what was probed."))
        return
    quantity = st.segmented_control(
        _("Shown per layer"), figure.QUANTITIES, default=figure.QUANTITIES[0], format_func=figure.label,
        label_visibility="collapsed", key="costs/quantity",
    ) or figure.QUANTITIES[0]  # fmt: skip
    st.plotly_chart(
        figure.chart(found, quantity), key="costs/chart", config={"displayModeBar": False},
        alt=_("One bar for each layer, in the order of the model"),
    )  # fmt: skip
    worst = figure.worst(found, quantity)
    names = ", ".join(services.escaped(one.name) for one in worst)
    st.caption(_("Most sensitive: {layers}. Give these more bits first.").format(layers=names))
    _pair(client, shown, description, worst)


def _pair(client: Client, shown: View, description: Description, worst: list[Cost]) -> None:
    heading = _("Two layers together")
    st.markdown(f"**{heading}**")
    names = [name for name, _shape in description.linears]
    chosen = [one.name for one in worst][:2]
    columns = st.columns(2)
    first = columns[0].selectbox(_("One layer"), names, names.index(chosen[0]), key="pair/first")
    second = columns[1].selectbox(_("Another layer"), names, names.index(chosen[-1]), key="pair/second")
    recipes = trio(shown.recipe, first, second)
    if first == second or not all(one.steps for one in recipes):
        st.caption(_("Choose two layers that the recipe changes."))
        return
    runs = [client.find(shown.model, one, shown.protocol) for one in recipes]
    if any(run is None for run in runs):
        st.caption(
            _(
                "A prediction adds layers up and misses interactions. Three measurements show them: each layer "
                "alone, and both together."
            )
        )
        if st.button(_("Measure the pair"), icon=":material/join_inner:", key="pair/measure"):
            for one in recipes:
                client.submit_measure(shown.model, one, shown.protocol)
            st.rerun()
        return
    watching.watch_all([run for run in runs if run is not None], "pair", _measured)


def _measured(runs: Sequence[Run]) -> None:
    results = [MEASURE.result_of(run) for run in runs]
    found = interaction([None if result is None else result.delta.kl_mean for result in results])
    if found is None:
        return
    with st.container(horizontal=True):
        for label, value in (
            (_("first alone"), found.first), (_("second alone"), found.second), (_("both"), found.both),
            (_("interaction"), found.excess),
        ):  # fmt: skip
            st.metric(label, f"{format.significant(value)}", border=True)
    st.caption(
        _("KL divergence in nats per token. Together these layers cost {share} {direction} than their sum.").format(
            share=f"{abs(found.relative_excess):.0%}", direction=_("more") if found.excess >= 0 else _("less")
        )
    )
