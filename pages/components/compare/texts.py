"""What the compared models write, beside each other: each continues the same prompt."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from optlab.client.client import Client
from optlab.i18n import _, said
from optlab.jobs.generate import GENERATE
from optlab.jobs.measured import MeasuredRun
from optlab.recipes import Recipe
from optlab.results.generation import Written
from optlab.store.run import Run
from pages.components.shared import watching, writing
from pages.components.shared.services import escaped

ASKED = "compare/texts"
TOKENS, HEIGHT = 64, 180


def show(client: Client, runs: Sequence[MeasuredRun]) -> None:
    """The prompt, and below it what each has written so far. runs: at least one."""
    known = [run for run in runs if isinstance(run.spec.recipe, Recipe)]
    start = writing.PROMPTS.get(known[0].result.text or "", writing.PROMPTS["bbc-news"]) if known else ""
    if not known:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        prompt = st.text_area(
            _("Prompt"), start, height=68, max_chars=writing.LONGEST_PROMPT, key="compare/prompt",
            label_visibility="collapsed", width="stretch",
        )  # fmt: skip
        asked = st.button(
            _("Let each write"), key="compare/write", icon=":material/edit_note:", disabled=not prompt.strip()
        )
    names = tuple(run.id for run in known)
    if asked:
        st.session_state[ASKED] = (names, [_write(client, run, prompt).id for run in known])
    whose, ids = st.session_state.get(ASKED) or ((), [])
    found = [run for id in ids if (run := client.run(id)) is not None]
    if whose != names or len(found) < len(names):
        return
    titles = [f"#{run.id} {run.run.label.name or said(run.title)}" for run in known]
    watching.watch_all(found, "compare/writing", lambda now: _texts(titles, now))


def _write(client: Client, run: MeasuredRun, prompt: str) -> Run:
    recipe = run.spec.recipe
    assert isinstance(recipe, Recipe)
    return client.submit_generate(
        run.spec.model, recipe, prompt, max_tokens=TOKENS, temperature=0.0, protocol=run.spec.protocol
    )


def _texts(titles: Sequence[str], runs: Sequence[Run]) -> None:
    """The original once, then each compressed model; marked from where it parts from the original."""
    written = [GENERATE.result_of(run) or GENERATE.partial_of(run) for run in runs]
    start = GENERATE.spec_of(runs[0]).prompt
    columns = st.columns(len(runs) + 1)
    with columns[0], st.container(border=True, height="stretch"):
        heading = _("original")
        st.markdown(f"**{heading}**")
        with st.container(height=HEIGHT, border=False):
            st.html(writing.marked(start, next((one.base.text for one in written if one.base.text), ""), None))
    for column, title, one in zip(columns[1:], titles, written, strict=True):
        side = one.candidate or Written()
        with column, st.container(border=True, height="stretch"):
            st.markdown(f"**{escaped(title)}**")
            with st.container(height=HEIGHT, border=False):
                st.html(writing.marked(start, side.text, None if one.parted is None else one.parted.shared))
