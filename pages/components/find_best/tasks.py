"""Tasks beside the perplexity: what is measured of each kind of work that people ask about, and one asked for real."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from optlab.advice.candidate import Candidate, tried
from optlab.evaluation.tasks import Family, Task, tasks
from optlab.figures import format, task_tables
from optlab.i18n import _
from optlab.jobs.tasks import TASKS
from optlab.models.describe import Description
from optlab.recipes import Recipe
from optlab.results.tasks import TaskResult
from pages.components.shared import measuring, progress, services, view
from pages.components.shared.services import escaped

MOST = 5
FAMILIES: dict[Family, Callable[[], str]] = {
    "questions": lambda: _("Question answering"),
    "knowledge": lambda: _("Knowledge"),
    "summaries": lambda: _("Summarization"),
    "translation": lambda: _("Translation"),
    "sentiment": lambda: _("Sentiment"),
    "speech": lambda: _("Speech recognition"),
    "long": lambda: _("Long texts"),
    "people": lambda: _("Who pays"),
    "news": lambda: _("News"),
}


def show(shown: view.View, description: Description, found: Sequence[Candidate]) -> None:
    """What is known of each kind of work, and how this model does the task that is chosen."""
    st.markdown(_("Perplexity averages over all tokens of a text; a single task may lose more or less than that. "
                  "What is known here:"))  # fmt: skip
    measured = tried(found)
    st.markdown(_known_work(shown, measured))
    if description.objective != "causal":
        st.markdown(_("This model fills gaps in a text; a task needs a model that continues one."))
        return
    if not measured:
        st.caption(_("Measure a recipe first."))
    chosen = st.selectbox(_("Task"), tasks(), format_func=lambda one: _(one.title), key="advisor/asked")
    st.markdown(_(chosen.summary))
    _asked(chosen, shown, measured[:MOST])


def _known_work(shown: view.View, measured: Sequence[Candidate]) -> str:
    """A table of the kinds of work that people ask about, as Markdown."""
    rows = [(_("Kind of work"), _("Evidence")), ("---", "---")]
    for family, name in FAMILIES.items():
        of_it = [task for task in tasks() if task.family == family]
        told = [sentence for task in of_it for sentence in _evidence(task, shown, measured)]
        titles = _(", ").join(_(task.title) for task in of_it)
        missing = _("Not measured on this model yet: {tasks}.").format(tasks=titles) if of_it else (
            _("There is no task for it."))  # fmt: skip
        rows.append((name(), " ".join(told) or missing))
    agreed = [one for one in measured if one.agreement is not None]
    if agreed:
        ends = (min(agreed, key=_agreement), max(agreed, key=_agreement))
        shares = dict.fromkeys(f"{format.percent(one.agreement)} ({escaped(one.title)})" for one in ends)
        same = _("Top-1 agreement with the original, measured here: {shares}.").format(shares=_(", ").join(shares))
        rows.append((_("Any other"), f"{same} {_('Read its answers side by side in Playground.')}"))
    return "\n".join(f"| {work} | {told} |" for work, told in rows)


def _evidence(task: type[Task], shown: view.View, measured: Sequence[Candidate]) -> list[str]:
    """What was measured of one task: a sentence for each recipe."""
    found = [(one, result) for one in measured[:MOST] if (result := _result(task, shown, one)) is not None]
    return [
        _("{task}: {difference} ({recipe}).").format(
            task=_(task.title), difference=task_tables.difference(result), recipe=escaped(one.title)
        )
        for one, result in found
    ]


def _result(task: type[Task], shown: view.View, one: Candidate) -> TaskResult | None:
    if not isinstance(one.recipe, Recipe):
        return None
    run = services.client().find_task(task.name, shown.model, one.recipe, shown.protocol)
    return TASKS.result_of(run) if run is not None else None


def _asked(task: type[Task], shown: view.View, measured: Sequence[Candidate]) -> None:
    """For each recipe the score with its interval, or the button that finds it out."""
    rows: list[tuple[str, TaskResult]] = []
    for one in measured:
        recipe = one.recipe
        if not isinstance(recipe, Recipe):
            continue
        run = services.client().find_task(task.name, shown.model, recipe, shown.protocol)
        result = TASKS.result_of(run) if run is not None else None
        if result is not None:
            rows.append((one.title, result))
            continue
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(escaped(one.title), width="stretch")
            if run is not None and run.live:
                progress.status_badge(run)
            elif st.button(
                measuring.label_of("tasks", shown.model, _("Run the task")),
                key=f"tasks/{task.name}/{one.run}",
                icon=":material/quiz:",
                help=_("Takes a few minutes."),
            ):
                services.client().submit_task(task.name, shown.model, recipe, shown.protocol)
                st.rerun()
        if run is not None and run.retryable:
            progress.explain(run)
    if rows:
        st.caption(task_tables.how_many(rows[0][1]))
        st.dataframe(task_tables.by_recipe(rows), hide_index=True)


def _agreement(one: Candidate) -> float:
    return one.agreement or 0.0
