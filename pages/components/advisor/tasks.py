"""Tasks beside the perplexity: what is measured of them here, what is not, and one of them asked for real."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from optlab.advice.candidate import Candidate, tried
from optlab.figures import format
from optlab.i18n import _
from optlab.jobs.tasks import TASKS
from optlab.models.describe import Description
from optlab.recipes import Recipe
from optlab.results.tasks import Topics
from pages.components.shared import measuring, progress, services, view
from pages.components.shared.services import escaped

MOST = 5


def show(shown: view.View, description: Description, found: Sequence[Candidate]) -> None:
    """What is known of each task, and the topics of articles as this model tells them."""
    st.markdown(_("Perplexity is an average over all words of a text; a task asks one thing, and may suffer more or "
                  "less than the average. So much is known here:"))  # fmt: skip
    measured = tried(found)
    st.markdown(_known_tasks(measured))
    heading = _("Asked for real: topics of news")
    st.markdown(f"**{heading}**")
    if description.objective != "causal":
        st.markdown(_("This model fills gaps in a text; the task is asked of models that continue one."))
        return
    st.markdown(_("Articles of BBC News that nothing was calibrated on are followed by the word Topic, and the topic "
                  "whose name becomes likeliest is the answer. The model was never trained to do this."))  # fmt: skip
    if not measured:
        st.caption(_("Measure a recipe first; then it can be asked."))
    _topics(shown, measured[:MOST])


def _known_tasks(measured: Sequence[Candidate]) -> str:
    """A table of the tasks that people ask about, as Markdown."""
    sentences = [_("Not measured as a task.")]
    agreed = [one for one in measured if one.agreement is not None]
    if agreed:
        ends = (min(agreed, key=_agreement), max(agreed, key=_agreement))
        shares = dict.fromkeys(f"{format.percent(one.agreement)} ({escaped(one.title)})" for one in ends)
        sentences.append(_("How often its next word is the original's was measured here: {shares}.").format(
            shares=", ".join(shares)))  # fmt: skip
    sentences.append(_("Read its answers side by side in Playground."))
    rows = [
        (_("Question answering"), " ".join(sentences)),
        (_("Summarization"), _("Not measured as a task. It is written word after word too, so the same figure holds. "
                               "Long inputs also fill the key-value cache, which a recipe may round as well.")),
        (_("Translation"), _("Not measured. It needs a model trained on both languages, and those of the catalog read "
                             "English; bring your own, and paste sentences of both languages as the text.")),
        (_("Sentiment"), _("Not measured. It is one label for a text, as the topics below are: they are the nearest "
                           "evidence here, and no proof.")),
        (_("Speech recognition"), _("Cannot be measured here: it begins with sound, and OptLab reads models of text.")),
    ]  # fmt: skip
    rows.insert(0, (_("Task"), _("What is known here")))
    rows.insert(1, ("---", "---"))
    return "\n".join(f"| {task} | {told} |" for task, told in rows)


def _topics(shown: view.View, measured: Sequence[Candidate]) -> None:
    """For each recipe the accuracy with its interval, or the button that finds it out."""
    table: dict[str, list[str]] = {
        _("Recipe"): [], _("Topics right"): [], _("95 % interval"): [], _("Change"): [], _("Answers that flipped"): [],
    }  # fmt: skip
    for one in measured:
        recipe = one.recipe
        if not isinstance(recipe, Recipe):
            continue
        run = services.client().find_tasks(shown.model, recipe, shown.protocol)
        topics = TASKS.result_of(run) if run is not None else None
        if topics is not None:
            _row(table, one, topics)
            continue
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(escaped(one.title), width="stretch")
            if run is not None and run.live:
                progress.status_badge(run)
            elif st.button(
                measuring.label_of("tasks", shown.model, _("Ask")),
                key=f"tasks/{one.run}",
                icon=":material/quiz:",
                help=_("Takes a minute or a few."),
            ):
                services.client().submit_tasks(shown.model, recipe, shown.protocol)
                st.rerun()
        if run is not None and run.retryable:
            progress.explain(run)
    if table[_("Recipe")]:
        st.dataframe(table, hide_index=True)


def _row(table: dict[str, list[str]], one: Candidate, result: Topics) -> None:
    base, candidate, delta = result.base, result.candidate, result.delta
    if not table[_("Recipe")]:
        same = format.percent(result.always_the_same)
        st.caption(_("{count} articles; always naming the most common topic would be right in {share}.").format(
            count=result.articles, share=same))  # fmt: skip
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
