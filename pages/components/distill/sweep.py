"""A sweep of temperatures and alphas from the page, and its heat map with intervals."""

from __future__ import annotations

import streamlit as st

from optlab.figures import distillation
from optlab.i18n import _
from optlab.jobs.sweep import SWEEP
from optlab.recipes import Recipe
from optlab.store.run import Run
from pages.components.shared import measuring, services, view, watching

TEMPERATURES = (0.5, 1.0, 1.5, 2.0, 4.0, 8.0, 16.0)
ALPHAS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)


def show(shown: view.View, recipe: Recipe | None) -> None:
    """recipe: the student that is swept, as the page has it; None before one was started."""
    client = services.client()
    if recipe is not None:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            temperatures = st.multiselect(_("Temperatures"), TEMPERATURES, [1.0, 2.0, 4.0], key="sweep/temperatures",
                                          format_func=lambda one: f"{one:g}", width=320)  # fmt: skip
            alphas = st.multiselect(_("Weights of the text (alpha)"), ALPHAS, [0.0, 0.5], key="sweep/alphas",
                                    format_func=lambda one: f"{one:g}", width=240)  # fmt: skip
            ready = bool(temperatures and alphas)
            words = measuring.label_of("sweep", shown.model, _("Sweep"))
            if st.button(words, key="sweep/start", icon=":material/grid_on:", disabled=not ready):
                client.submit_sweep(shown.model, recipe, shown.protocol, temperatures, alphas)
        count = len(temperatures) * len(alphas) + 1
        st.caption(_("Trains {count} students like the one above, one of them on the text alone.").format(count=count))
    run = client.latest("sweep", shown.model)
    if run is None:
        if recipe is None:
            st.caption(_("Start a student first; the sweep then varies its temperature and alpha."))
        return
    watching.watch(run, "sweep", _heat, resumes=True)


def _heat(run: Run) -> None:
    found = SWEEP.result_of(run) or SWEEP.partial_of(run)
    if found.cells:
        st.plotly_chart(
            distillation.heat(found.cells), key="sweep/heat", config={"displayModeBar": False},
            alt=_("Loss against training on the text alone for every temperature and alpha"),
        )  # fmt: skip
        st.caption(distillation.best_in_words(found))
