"""Speed at other prompt lengths and with several texts at once: timed when asked for, drawn beside the limits."""

from __future__ import annotations

import streamlit as st

from optlab.client.client import Client
from optlab.figures import latency_grid
from optlab.i18n import _, said
from optlab.jobs.latency_grid import LATENCY_GRID
from pages.components.shared import downloads, measuring, services, watching
from pages.components.shared.view import View

CHART = {"displayModeBar": False}


def show(client: Client, shown: View) -> None:
    """Draw the grid, or the button that has it timed."""
    run = client.find_latency_grid(shown.model, shown.recipe, shown.protocol)
    if run is None:
        st.caption(
            _("The speed above is for a single request. Servers batch many, and long prompts take longer. This times "
              "both models at several batch and prompt sizes, with nothing else running; it takes a few minutes.")
        )  # fmt: skip
        services.action(
            measuring.label_of("latency_grid", shown.model, _("Time other batch and prompt sizes")),
            "latency_grid/time", ":material/speed:",
            client.submit_latency_grid, shown.model, shown.recipe, shown.protocol,
        )  # fmt: skip
        return
    result = LATENCY_GRID.result_of(run)
    if result is None:
        watching.watch(run, "latency_grid")
        return
    lengths = sorted({cell.prompt_tokens for cell in result.cells.base})
    st.markdown(latency_grid.sentence(result))
    chosen = st.segmented_control(
        _("Prompt"), lengths, default=lengths[len(lengths) // 2], key="latency_grid/prompt",
        format_func=lambda count: _("prompt of {count} tokens").format(count=count), label_visibility="collapsed",
    ) or lengths[len(lengths) // 2]  # fmt: skip
    st.plotly_chart(
        latency_grid.by_batch(result, chosen), key="latency_grid/batches", config=CHART,
        alt=_("New tokens per second over all texts against batch size, original and compressed"),
    )  # fmt: skip
    limits = latency_grid.roofline(result)
    if limits is not None:
        heading = _("How close to this machine's limit")
        st.markdown(f"**{heading}**", help=_(
            "The dashed line is this machine's limit as measured (the roofline): memory bandwidth on the left, "
            "arithmetic on the right. Points above it had part of their weights in the processor's "
            "cache."))  # fmt: skip
        st.plotly_chart(
            limits, key="latency_grid/roofline", config=CHART,
            alt=_("Operations per second against operations for each byte read, below the limits of the machine"),
        )  # fmt: skip
    table = latency_grid.table(result)
    st.dataframe(table, hide_index=True)
    downloads.table(lambda: table, "latency-grid", _("Speeds"))
    notes = {said(note): None for _side, way in result.sides.sides() for note in [way.path, *way.notes]}
    st.caption(" · ".join(services.escaped(note) for note in notes))
