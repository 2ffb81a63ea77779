"""What a compression does to real work: a row for each task, and behind it the questions whose answers changed."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from optlab.client.client import Client
from optlab.evaluation.tasks import Task, tasks
from optlab.figures import format, task_tables
from optlab.i18n import _
from optlab.jobs.tasks import TASKS
from optlab.models.describe import Description
from optlab.results.tasks import Flip, TaskResult, Written
from pages.components.shared import measuring, progress, watching
from pages.components.shared.services import escaped
from pages.components.shared.view import View

DEFAULT = ("boolq", "openbookqa", "imdb", "true_summary")
MOST = 10
"""Changed answers that are shown at once."""


def show(client: Client, shown: View, description: Description) -> None:
    """Draw the table and what is behind the row that is chosen."""
    if description.objective != "causal":
        st.info(_("This model fills gaps in a text; a task needs a model that continues one."))
        return
    if not shown.recipe.steps:
        st.info(_("Move a knob first: a task compares a compressed model with the original."))
        return
    runs = {task: client.find_task(task.name, shown.model, shown.recipe, shown.protocol) for task in tasks()}
    results = {task: TASKS.result_of(run) for task, run in runs.items() if run is not None}
    found = [(task, result) for task, result in results.items() if result is not None]
    _ask(client, shown, [task for task, run in runs.items() if run is None or run.retryable])
    for run in runs.values():
        if run is not None and run.live:
            watching.watch(run, f"work/{run.id}")
        elif run is not None and run.retryable:
            progress.explain(run)
    if not found:
        return
    event = st.dataframe(
        task_tables.by_task([(_(task.title), result) for task, result in found]), hide_index=True,
        on_select="rerun", selection_mode="single-row", key="work/rows",
    )  # fmt: skip
    st.caption(_("Many rows are looked at here: of twenty equal models one differs by chance. What survives that is "
                 "marked with a star (McNemar's test, corrected by Holm). Choose a row for its answers."))  # fmt: skip
    chosen = [row for row in event.selection.rows if row < len(found)]
    if chosen:
        behind(*found[chosen[0]])


def _ask(client: Client, shown: View, unasked: Sequence[type[Task]]) -> None:
    """Choose tasks that nobody asked yet, and ask them."""
    if not unasked:
        return
    names = [task.name for task in unasked]
    titles = {task.name: _(task.title) for task in unasked}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted = st.multiselect(
            _("Tasks"), names, default=[name for name in DEFAULT if name in names], format_func=titles.__getitem__,
            key=f"work/wanted/{len(names)}",
        )  # fmt: skip
        label = measuring.label_of("tasks", shown.model, _("Ask both models"))
        if st.button(label, key="work/ask", icon=":material/quiz:", disabled=not wanted):
            for name in wanted:
                client.submit_task(name, shown.model, shown.recipe, shown.protocol)
            st.rerun()


def behind(task: type[Task], result: TaskResult) -> None:
    """What one row is made of: how sure both models are, groups of questions, answers that changed."""
    st.markdown(f"**{escaped(_(task.title))}**")
    st.caption(f"{_(task.summary)} {task_tables.how_many(result)}")
    if result.slices:
        st.dataframe(task_tables.by_group(result), hide_index=True)
    sides = [(_("original"), result.base.calibration), (_("compressed"), result.candidate.calibration)]
    known = [(name, one) for name, one in sides if one is not None]
    if known:
        words = _("{side}: calibration error {error}, Brier score {brier}")
        st.caption(" · ".join(words.format(side=name, error=format.percent(one.error), brier=f"{one.brier:.3f}")
                              for name, one in known))  # fmt: skip
    for flip in result.flips[:MOST]:
        _flip(flip)
    for one in result.written[:MOST]:
        _written(one)


def _flip(flip: Flip) -> None:
    with st.container(border=True):
        st.text(flip.question.strip())
        st.dataframe(
            {
                _("Choice"): [f"{choice.strip()} ✓" if number == flip.right else choice.strip()
                              for number, choice in enumerate(flip.choices)],
                _("original"): [format.percent(p) for p in flip.base],
                _("compressed"): [format.percent(p) for p in flip.candidate],
            },
            hide_index=True,
        )  # fmt: skip


def _written(one: Written) -> None:
    with st.container(border=True):
        st.text(one.question.strip())
        st.dataframe(
            {_("Expected"): [one.expected], _("original"): [one.base], _("compressed"): [one.candidate]},
            hide_index=True,
        )  # fmt: skip
