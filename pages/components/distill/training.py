"""A training before one's eyes: student and control, speed and time left, the forecast, stop and continue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from optlab.client.client import Client
from optlab.distill import forecast
from optlab.distill.control import control
from optlab.figures import distillation, format, glossary, style
from optlab.i18n import _
from optlab.jobs.measure import MEASURE
from optlab.recipes import Recipe
from optlab.results.training import Training
from optlab.store.run import Run
from pages.components.shared import view, watching


def start(client: Client, shown: view.View, recipe: Recipe, with_control: bool) -> None:
    """Ask for the student and, beside it, for its control; a training that was stopped goes on where it was."""
    client.submit_measure(shown.model, recipe, shown.protocol)
    if with_control and recipe.steps[0].values["alpha"] != 1.0:
        client.submit_measure(shown.model, control(recipe), shown.protocol)


def show(client: Client, shown: view.View, recipe: Recipe | None) -> Run | None:
    """Draw the training of `recipe`; its run, once it is done."""
    run = None if recipe is None else client.find(shown.model, recipe, shown.protocol)
    if recipe is None or run is None:
        st.info(
            _("Choose a student and press Start; its loss curve appears here as it trains."), icon=":material/science:"
        )
        return None
    other = client.find(shown.model, control(recipe), shown.protocol)
    runs = [run] if other is None or other.id == run.id else [run, other]
    watching.watch_all(runs, "training", partial(_draw, recipe), resumes=True)
    return run if run.done else None


def _draw(recipe: Recipe, runs: Sequence[Run]) -> None:
    foretold = _figures(runs, recipe)
    _chart(runs, recipe, foretold)
    _verdict(runs[0], foretold)


def training_of(run: Run) -> Training:
    """The curves of a run, as far as they are known."""
    done = MEASURE.result_of(run)
    if done is not None and done.trainings:
        return done.trainings[-1]
    going = MEASURE.partial_of(run).training
    return Training() if going is None else going.training


def _figures(runs: Sequence[Run], recipe: Recipe) -> forecast.Forecast | None:
    """Perplexities, speed and time left; the forecast, when there is one."""
    curves = [training_of(run).held_out for run in runs]
    columns = st.columns(4)
    titles = [_("Student, held-out perplexity"), _("Control, held-out perplexity")]
    for column, title, curve in zip(columns, titles, curves, strict=False):
        column.metric(title, distillation.perplexity(curve[-1].nll if curve else None), help=glossary.held_out())
    going = MEASURE.partial_of(runs[0]).training
    if runs[0].live and going is not None and going.tokens_per_s is not None:
        columns[2].metric(_("Tokens per second"), format.amount(going.tokens_per_s))
        columns[3].metric(_("Training ends in"), format.duration(going.left_s))
    values: Mapping[str, Any] = recipe.steps[0].values
    return forecast.of_training(curves[0], values["steps"], values["seconds"])


def _chart(runs: Sequence[Run], recipe: Recipe, foretold: forecast.Forecast | None) -> None:
    values: Mapping[str, Any] = recipe.steps[0].values
    looks = [(_("student"), style.MEASURED), (_("control: the text alone"), distillation.CONTROL)]
    lines = [
        distillation.Line(name, training_of(run).loss, training_of(run).held_out, colour)
        for run, (name, colour) in zip(runs, looks, strict=False)
    ]
    by_time = values["seconds"] is not None
    end = values["seconds"] if by_time else values["steps"]
    if by_time and lines[0].held_out and runs[0].done:
        end = training_of(runs[0]).held_out[-1].seconds
    st.plotly_chart(
        distillation.curves(lines, foretold, end, by_time), key="distill/chart", config={"displayModeBar": False},
        alt=_("Held-out loss of student and control during training"),
    )  # fmt: skip


def _verdict(run: Run, foretold: forecast.Forecast | None) -> None:
    """The forecast in words, and how right it was."""
    if foretold is None:
        if run.live:
            st.caption(_("A forecast of the final perplexity appears after a quarter of the training."))
        return
    names = {"ppl": distillation.perplexity(foretold.nll), "low": distillation.perplexity(foretold.low),
             "high": distillation.perplexity(foretold.high), "share": format.percent(foretold.share)}  # fmt: skip
    words = _("Forecast from the first {share}: final perplexity {ppl} (90% band {low} to {high}).").format(**names)
    if run.done:
        final = training_of(run).held_out[-1].nll
        judged = (
            _("Actual: {ppl}, within the band.") if foretold.holds(final) else _("Actual: {ppl}, outside the band.")
        )
        words += " " + judged.format(ppl=distillation.perplexity(final))
        words += " " + glossary.held_out()
    st.caption(words)
