"""The measurement of the recipe on the page: running figures while it runs, all figures when it is done."""

from __future__ import annotations

from functools import partial

import streamlit as st

from optlab.client.client import Client
from optlab.figures import format, frames, layers, limit, verdict
from optlab.figures.pairs import Pair
from optlab.i18n import _, said
from optlab.jobs.measure import MEASURE
from optlab.jobs.measured import unreadable
from optlab.results.measurement import Measurement, MeasurementSoFar
from optlab.store.run import Run
from pages.components.explore import automatic
from pages.components.shared import downloads, facts, pairs, prediction, services, take_home, view, watching
from pages.components.shared.folded import folded


def show(client: Client, shown: view.View, predicted: bool) -> Run | None:
    """Draw whatever is known about this recipe; the run when it is done. predicted: here too what is predicted of it,
    which else stands elsewhere on the page."""
    run = client.find(shown.model, shown.recipe, shown.protocol) if shown.recipe.steps else None
    if run is None:
        if predicted and not (shown.recipe.steps and prediction.show(client, shown)):
            pairs.show(MeasurementSoFar(), None)
        if shown.recipe.steps and client.predictor(shown.model, shown.protocol) is None:
            prediction.offer(client, shown.model)
        return None
    if (why := unreadable(run)) is not None:
        st.error(services.sentence(why), icon=":material/broken_image:")
        st.page_link("pages/runs.py", label=_("Delete it in Runs to measure it again"))
        return None
    if run.live:
        automatic.look(run)
    meanwhile = [] if run.done else prediction.of(client, shown) or []
    watching.watch(run, "measure", partial(_figures, meanwhile))
    if not run.done:
        return None
    _details(run)
    return run


def _figures(meanwhile: list[Pair], run: Run) -> None:
    """What is known so far. meanwhile: what is predicted in the place of figures that are not there yet."""
    result = MEASURE.result_of(run)
    if result is not None:
        st.markdown(f"#### {verdict.in_words(result)}")
    pairs.show(result or MEASURE.partial_of(run), run, meanwhile if run.live else [])


def _details(run: Run) -> None:
    result = MEASURE.result_of(run)
    if result is None:
        return
    _provenance(run, result)
    take_home.show(services.client(), run)
    if limited := limit.sentence(result):
        st.caption(limited)
    st.subheader(_("Layer by layer"))
    frame = frames.layers_of(result)
    if frame.empty:
        st.caption(_("This recipe left every layer as it was."))
    else:
        offered = [name for name in layers.QUANTITIES if frame[name].notna().any()]
        quantity = st.segmented_control(
            _("Shown per layer"), offered, default=offered[0], format_func=layers.short,
            label_visibility="collapsed", key="layers/quantity",
        )  # fmt: skip
        st.plotly_chart(
            layers.per_layer(frame, quantity or offered[0]), key="layers/chart", config={"displayModeBar": False},
            alt=_("One bar for each layer, in the order of the model"),
        )  # fmt: skip
    _table(result)


def _provenance(run: Run, result: Measurement) -> None:
    parts = [
        format.moment(run.finished), *facts.protocol_words(result),
        _("stopped early, the interval was narrow enough") if result.stopped_early else "",
        _("took {time}").format(time=format.duration(run.elapsed())),
    ]  # fmt: skip
    if result.latency is not None:
        parts += [said(note) for side in (result.latency.base, result.latency.candidate) for note in side.notes]
    st.caption(" · ".join(services.escaped(part) for part in dict.fromkeys(parts) if part))


def _table(result: Measurement) -> None:
    with folded(_("All figures"), "figures", ":material/table:") as opened:
        if not opened:
            return
        figures = frames.figures_of(result)
        st.dataframe(figures, hide_index=True, height="content")
        with st.container(horizontal=True):
            downloads.table(figures, "figures", _("Figures"))
            downloads.table(frames.layers_of(result), "layers", _("Layers"))
        st.caption(", ".join(f"{name} {version}" for name, version in result.versions.items()))
