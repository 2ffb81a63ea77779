"""Text by both models, side by side, as it is being written, and where the two part."""

from __future__ import annotations

from functools import partial
from html import escape

import streamlit as st

from optlab.client.client import Client
from optlab.figures import format
from optlab.i18n import _, plural
from optlab.jobs.generate import GENERATE
from optlab.results.generation import Parting, Written
from optlab.store.run import Run
from pages.components.shared import watching
from pages.components.shared.view import View

PROMPTS = {"shakespeare": "ROMEO:\n", "bbc-news": "The president said on Monday that"}
LONGEST_PROMPT = 8_000
RUN = "writing/run"


QUESTION = "Why is the sky blue? Answer in two sentences."
SHORT, TALL = 80, 420
"""Pixels of a text: beneath other things, and on a page of its own."""
MARK = "background:rgba(230,159,0,.28);border-radius:3px"


def show(client: Client, view: View, default_text: str, chat: bool = False, height: int = SHORT) -> None:
    """Draw the prompt, its settings, and what both models have written so far. chat: the prompt is a question."""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        prompt = st.text_area(
            _("Question") if chat else _("Prompt"),
            QUESTION if chat else PROMPTS.get(default_text, PROMPTS["bbc-news"]), height=68,
            max_chars=LONGEST_PROMPT, key=f"writing/prompt/{view.model}/{chat}", width="stretch",
            label_visibility="collapsed",
        )  # fmt: skip
        count = st.selectbox(
            _("Tokens"), [32, 64, 128, 256], index=1, key="writing/count", width=135, label_visibility="collapsed",
            format_func=lambda tokens: _("{count} tokens").format(count=tokens),
        )  # fmt: skip
        warmth = st.selectbox(
            _("Sampling"), [0.0, 0.7, 1.0], key="writing/temperature", width=165, label_visibility="collapsed",
            format_func=lambda value: _("most likely") if not value else _("temperature {value:g}").format(value=value),
            help=_("Temperature 0 always takes the most likely token; above it, tokens are drawn at random."),
        )  # fmt: skip
        asked = st.button(_("Generate"), key="writing/go", icon=":material/edit_note:", disabled=not prompt.strip())
    if asked:
        wanted = client.submit_generate(
            view.model, view.recipe, prompt, max_tokens=count, temperature=warmth, protocol=view.protocol, chat=chat
        )
        st.session_state[RUN] = (view.model, view.recipe.content_hash, chat, wanted.id)
    *shown, id = st.session_state.get(RUN) or (None, 0)
    written = client.run(id) if shown == [view.model, view.recipe.content_hash, chat] else None
    if written is None:
        st.caption(_("Nothing generated with this recipe yet. Both models continue the same prompt."))
        return
    watching.watch(written, "writing", partial(_texts, height), every=0.7)


def _texts(height: int, run: Run) -> None:
    asked = GENERATE.spec_of(run)
    written = GENERATE.result_of(run) or GENERATE.partial_of(run)
    shared = None if written.parted is None else written.parted.shared
    start = "" if asked.chat else asked.prompt
    sides = [(_("Original"), "gray", written.base)]
    if asked.recipe.to_dict()["steps"]:
        sides.append((_("Compressed"), "blue", written.candidate or Written()))
    for column, (name, colour, side) in zip(st.columns(2), sides, strict=False):
        with column, st.container(border=True, height="stretch"):
            st.markdown(f":{colour}-badge[{name}]")
            with st.container(height=height, border=False):
                st.html(marked(start, side.text, shared) if side.tokens else escape(_("Nothing yet.")))
            if side.tokens_per_second:
                st.caption(
                    _("{count} tokens, {speed} tokens per second in this run").format(
                        count=side.tokens, speed=format.significant(side.tokens_per_second)
                    )
                )
    if written.parted is not None:
        _parting(written.parted)


def marked(start: str, text: str, shared: str | None) -> str:
    """HTML of a text: the prompt, what both models wrote, and highlighted from where they part."""
    same = text if shared is None or not text.startswith(shared) else shared
    rest = text[len(same) :]
    tail = f'<mark style="color:inherit;{MARK}">{escape(rest)}</mark>' if rest else ""
    body = f"<b>{escape(start)}</b>{escape(same)}{tail}"
    return f'<div style="white-space:pre-wrap;overflow-wrap:anywhere">{body}</div>'


def _parting(parted: Parting) -> None:
    """What both models thought of the words at the place where their texts part."""
    if parted.position:
        told = _("Outputs diverge after {tokens}. Each model's probabilities there:").format(
            tokens=plural("{count} token", "{count} tokens", parted.position)
        )
    else:
        told = _("Outputs diverge at the first token. Each model's probabilities there:")
    st.markdown(told)
    signs = {"base": _("original chose it"), "candidate": _("compressed chose it")}
    rows = [
        {
            _("token"): repr(row.text)[1:-1],
            _("original"): format.percent(row.base),
            _("compressed"): format.percent(row.candidate),
            "": _(", ").join(signs[side] for side in row.chosen_by),
        }
        for row in parted.tokens
    ]
    st.dataframe(rows, hide_index=True, height="content", width=520)
