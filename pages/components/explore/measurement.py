"""What a finished measurement says beyond the three tiles: when and how, layer by layer, and every figure."""

from __future__ import annotations

import streamlit as st

from optlab.figures import format, frames
from optlab.figures import layers as figure
from optlab.i18n import _, said
from optlab.jobs.measure import MEASURE
from optlab.store.run import Run
from pages.components.shared import downloads, facts, services
from pages.components.shared.folded import folded


def layers(run: Run) -> None:
    """A bar for each layer."""
    result = MEASURE.result_of(run)
    frame = frames.layers_of(result) if result is not None else None
    if frame is None or frame.empty:
        st.caption(_("This recipe left every layer as it was."))
        return
    offered = [name for name in figure.QUANTITIES if frame[name].notna().any()]
    quantity = st.segmented_control(
        _("Shown per layer"), offered, default=offered[0], format_func=figure.short,
        label_visibility="collapsed", key="layers/quantity",
    )  # fmt: skip
    st.plotly_chart(
        figure.per_layer(frame, quantity or offered[0]), key="layers/chart", config={"displayModeBar": False},
        alt=_("One bar for each layer, in the order of the model"),
    )  # fmt: skip


def provenance(run: Run) -> None:
    """When, on which text, and by which kernels, in one line."""
    result = MEASURE.result_of(run)
    if result is None:
        return
    parts = [
        format.moment(run.finished), *facts.protocol_words(result),
        _("stopped early, the interval was narrow enough") if result.stopped_early else "",
        _("took {time}").format(time=format.duration(run.elapsed())),
    ]  # fmt: skip
    if result.latency is not None:
        parts += [said(note) for side in (result.latency.base, result.latency.candidate) for note in side.notes]
    st.caption(" · ".join(services.escaped(part) for part in dict.fromkeys(parts) if part))


def table(run: Run) -> None:
    """Every figure, in a box that is closed at first."""
    result = MEASURE.result_of(run)
    with folded(_("All figures"), "figures", ":material/table:") as opened:
        if not opened or result is None:
            return
        figures = frames.figures_of(result)
        st.dataframe(figures, hide_index=True, height="content")
        with st.container(horizontal=True):
            downloads.table(lambda: figures, "figures", _("Figures"))
            downloads.table(lambda: frames.layers_of(result), "layers", _("Layers"))
        st.caption(", ".join(f"{name} {version}" for name, version in result.versions.items()))
