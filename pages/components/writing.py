"""Text by both models, side by side, as it is being written."""

from __future__ import annotations

import streamlit as st

from optlab.figures import format
from optlab.runs.client import Client
from optlab.runs.run import Run
from optlab.words import _
from pages.components import progress, services
from pages.components.view import View

PROMPTS = {"shakespeare": "ROMEO:\n", "bbc-news": "The president said on Monday that"}
LONGEST_PROMPT = 8_000
RUN = "writing/run"


def show(client: Client, view: View, default_text: str) -> None:
    """Draw the prompt, its settings, and what both models have written so far."""
    prompt = st.text_area(
        _("Beginning of the text"), PROMPTS.get(default_text, PROMPTS["bbc-news"]), height=90,
        max_chars=LONGEST_PROMPT, key=f"writing/prompt/{view.model}",
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = st.selectbox(_("Tokens"), [32, 64, 128, 256], index=1, key="writing/count", width=120)
        warmth = st.selectbox(
            _("Choice of words"), [0.0, 0.7, 1.0], key="writing/temperature", width=170,
            format_func=lambda value: _("most likely") if not value else _("temperature {value:g}").format(value=value),
            help=_("At temperature 0 the most likely token is taken each time; above it, chance has a say."),
        )  # fmt: skip
        asked = st.button(_("Write"), key="writing/go", icon=":material/edit_note:", disabled=not prompt.strip())
    if asked:
        wanted = client.submit_generate(
            view.model, view.recipe, prompt, max_tokens=count, temperature=warmth, protocol=view.protocol
        )
        st.session_state[RUN] = (view.model, view.recipe.content_hash, wanted.id)
    model, recipe, id = st.session_state.get(RUN) or (None, None, 0)
    written = client.store.get(id) if (model, recipe) == (view.model, view.recipe.content_hash) else None
    if written is None:
        st.caption(_("Nothing written yet with this recipe. Both models continue the same words, token by token."))
        return
    st.fragment(_watched, run_every=0.7 if written.live else None)(written.id)


def _watched(id: int) -> None:
    with services.shown_errors():
        client = services.client()
        run = client.store.get(id)
        if run is None:
            st.caption(_("This text was deleted."))
            return
        if not run.live and st.session_state.get("writing/watched") == id:
            st.session_state["writing/watched"] = None
            st.rerun()  # the whole page, so that nothing polls any longer
        if run.live:
            st.session_state["writing/watched"] = id
        if run.status != "done":
            progress.watch(client, run, f"writing/{id}")
        _texts(run)


def _texts(run: Run) -> None:
    written = run.result or run.partial
    sides = {"base": (_("Original"), "gray"), "candidate": (_("Compressed"), "blue")}
    for column, (side, (name, colour)) in zip(st.columns(2), sides.items(), strict=True):
        if side == "candidate" and run.spec.get("recipe") is None:
            continue
        state = written.get(side) or {}
        with column, st.container(border=True, height="stretch"):
            st.markdown(f":{colour}-badge[{name}]")
            with st.container(height=190, border=False):
                st.text((run.spec["prompt"] + state["text"]) if state else _("Nothing yet."))
            speed = state.get("tokens_per_second")
            if speed:
                st.caption(
                    _("{count} tokens, {speed} tokens per second in this run").format(
                        count=state["tokens"], speed=format.significant(speed)
                    )
                )
