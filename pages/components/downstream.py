"""A task beside the perplexity: whether the compressed model still tells what an article is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from optlab.advice.candidate import Candidate, known
from optlab.figures import format
from optlab.models.describe import Description
from optlab.words import _
from pages.components import progress, services, view
from pages.components.services import escaped

MOST = 5


def show(shown: view.View, description: Description, found: Sequence[Candidate]) -> None:
    """For each measured recipe the accuracy with its interval, or the button that finds it out."""
    if description.objective != "causal":
        st.markdown(_("This model fills gaps in a text; the task is asked of models that continue one."))
        return
    st.markdown(_("Perplexity is an average over all words; a task asks one thing. Here: the topic of articles of BBC "
                  "News that nothing was calibrated on, by the likelihood of the topic's name after the article."))  # fmt: skip
    tried = [one for one in found if one.source == "measured" and one.recipe["steps"]]
    if not tried:
        st.markdown(f":gray[{_('Measure a recipe first; then it can be asked.')}]")
    table: dict[str, list[str]] = {_("Recipe"): [], _("Topics right"): [], _("95 % interval"): [], _("Change"): []}
    for one in sorted(tried, key=lambda one: one.size_bytes)[:MOST]:
        recipe = known(one.recipe)
        if recipe is None:
            continue
        run = services.client().find_tasks(shown.model, recipe, shown.protocol)
        if run is not None and run.status == "done" and run.result:
            _row(table, one, run.result)
        else:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(escaped(one.title), width="stretch")
                if run is not None and run.live:
                    progress.status_badge(run)
                elif st.button(
                    _("Ask"), key=f"tasks/{one.run}", icon=":material/quiz:", help=_("Takes about a minute.")
                ):
                    services.client().submit_tasks(shown.model, recipe, shown.protocol)
                    st.rerun()
            if run is not None and run.retryable:
                progress.explain(run)
    if table[_("Recipe")]:
        st.dataframe(table, hide_index=True)


def _row(table: dict[str, list[str]], one: Candidate, result: Mapping[str, Any]) -> None:
    names = list(table)
    if not table[names[0]]:
        same = format.percent(result["always_the_same"])
        st.caption(_("{count} articles; always naming the most common topic would be right in {share}.").format(
            count=result["articles"], share=same))  # fmt: skip
        _fill(table, [_("original"), format.percent(result["base"]["accuracy"]), _range(result["base"]["ci95"]), ""])
    delta = result["delta"]
    low, high = delta["ci95"] or (None, None)
    changed = _("{points} points").format(points=f"{delta['accuracy'] * 100:+.1f}")
    if low is not None and high is not None:
        changed += f" ({low * 100:+.1f} ... {high * 100:+.1f})"
    _fill(
        table,
        [one.title, format.percent(result["candidate"]["accuracy"]), _range(result["candidate"]["ci95"]), changed],
    )


def _fill(table: dict[str, list[str]], cells: list[str]) -> None:
    for name, cell in zip(table, cells, strict=True):
        table[name].append(cell)


def _range(interval: Sequence[float]) -> str:
    return _("{low} to {high}").format(low=format.percent(interval[0]), high=format.percent(interval[1]))
