"""Tasks beside the perplexity: what is measured of them here, what is not, and some of them asked for real."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from optlab.advice.candidate import Candidate, tried
from optlab.evaluation.tasks import tasks
from optlab.figures import format
from optlab.i18n import _
from optlab.jobs.tasks import TASKS
from optlab.models.describe import Description
from optlab.recipes import Recipe
from optlab.results.tasks import TaskResult
from pages.components.shared import measuring, progress, services, view
from pages.components.shared.services import escaped

MOST = 5


def show(shown: view.View, description: Description, found: Sequence[Candidate]) -> None:
    """What is known of each task that people ask about, and how this model does those that are measured."""
    st.markdown(_("Perplexity averages over all tokens of a text; a single task may lose more or less than that. "
                  "What is known here:"))  # fmt: skip
    measured = tried(found)
    st.markdown(_known_tasks(measured))
    if description.objective != "causal":
        st.markdown(_("This model fills gaps in a text; a task needs a model that continues one."))
        return
    if not measured:
        st.caption(_("Measure a recipe first."))
    for task in tasks():
        heading = _("Measured: {task}").format(task=_(task.title))
        st.markdown(f"**{heading}**")
        st.markdown(_(task.summary))
        _asked(task.name, shown, measured[:MOST])


def _known_tasks(measured: Sequence[Candidate]) -> str:
    """A table of the tasks that people ask about, as Markdown."""
    sentences = [_("Not measured as a task.")]
    agreed = [one for one in measured if one.agreement is not None]
    if agreed:
        ends = (min(agreed, key=_agreement), max(agreed, key=_agreement))
        shares = dict.fromkeys(f"{format.percent(one.agreement)} ({escaped(one.title)})" for one in ends)
        sentences.append(_("Top-1 agreement with the original, measured here: {shares}.").format(
            shares=_(", ").join(shares)))  # fmt: skip
    sentences.append(_("Read its answers side by side in Playground."))
    rows = [
        (_("Question answering"), " ".join(sentences)),
        (_("Summarization"), _("Not measured as a task. It is generated token by token too, so the same figure "
                               "applies. Long inputs also fill the key-value cache, which a recipe can quantize too.")),
        (_("Translation"), _("Not measured. It needs a model trained on both languages, and those in the catalog "
                             "read English. Bring your own model, and paste sentences in both languages as the text.")),
        (_("Sentiment"), _("Not measured. It is one label per text, like the topics below: the closest evidence "
                           "here, but no proof.")),
        (_("Speech recognition"), _("Cannot be measured here: it starts from audio, and OptLab reads text models "
                                    "only.")),
    ]  # fmt: skip
    rows.insert(0, (_("Task"), _("Evidence")))
    rows.insert(1, ("---", "---"))
    return "\n".join(f"| {task} | {told} |" for task, told in rows)


def _asked(task: str, shown: view.View, measured: Sequence[Candidate]) -> None:
    """For each recipe the accuracy with its interval, or the button that finds it out."""
    table: dict[str, list[str]] = {
        _("Recipe"): [], _("Accuracy"): [], _("95% interval"): [], _("Change"): [], _("Flipped answers"): [],
    }  # fmt: skip
    for one in measured:
        recipe = one.recipe
        if not isinstance(recipe, Recipe):
            continue
        run = services.client().find_task(task, shown.model, recipe, shown.protocol)
        result = TASKS.result_of(run) if run is not None else None
        if result is not None:
            _row(table, one, result)
            continue
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(escaped(one.title), width="stretch")
            if run is not None and run.live:
                progress.status_badge(run)
            elif st.button(
                measuring.label_of("tasks", shown.model, _("Run the task")),
                key=f"tasks/{task}/{one.run}",
                icon=":material/quiz:",
                help=_("Takes a few minutes."),
            ):
                services.client().submit_task(task, shown.model, recipe, shown.protocol)
                st.rerun()
        if run is not None and run.retryable:
            progress.explain(run)
    if table[_("Recipe")]:
        st.dataframe(table, hide_index=True)


def _row(table: dict[str, list[str]], one: Candidate, result: TaskResult) -> None:
    base, candidate, delta = result.base, result.candidate, result.delta
    if not table[_("Recipe")]:
        same = format.percent(result.always_the_same)
        st.caption(_("{count} questions; always giving the most common answer would score {share}.").format(
            count=result.questions, share=same))  # fmt: skip
        _fill(table, [_("original"), format.percent(base.accuracy), _range(base.ci95), "", ""])
    changed = _("{points} points").format(points=f"{delta.accuracy * 100:+.1f}")
    if delta.ci95:
        low, high = delta.ci95
        changed += f" ({low * 100:+.1f} ... {high * 100:+.1f})"
    flipped = _("{lost} lost, {won} won").format(lost=delta.lost, won=delta.won)
    _fill(table, [one.title, format.percent(candidate.accuracy), _range(candidate.ci95), changed, flipped])


def _fill(table: dict[str, list[str]], cells: list[str]) -> None:
    for name, cell in zip(table, cells, strict=True):
        table[name].append(cell)


def _range(interval: Sequence[float]) -> str:
    return _("{low} to {high}").format(low=format.percent(interval[0]), high=format.percent(interval[1]))


def _agreement(one: Candidate) -> float:
    return one.agreement or 0.0
