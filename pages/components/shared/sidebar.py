"""The sidebar that all pages share: which model, and whether the workers are alive."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from optlab.figures import format
from optlab.i18n import _, plural, said
from optlab.jobs.resolution import title
from optlab.models.catalog import catalog
from optlab.store.run import LIVE, Status
from pages.components.shared import language, models, services, view, who
from pages.components.shared.folded import PREFIX

SHOWN = 4
"""Runs in the tray; all of them are on their page."""
LONGEST = 48
"""Characters of a title there."""
SIGNS = {
    Status.RUNNING: ":material/progress_activity:", Status.QUEUED: ":material/schedule:",
    Status.DONE: ":material/check:",
}  # fmt: skip
FRESH_S = 6.0
"""A worker beats every second or so; silence this long means that something is wrong."""


def show() -> None:
    """Draw the sidebar; picking a model changes the view, picking a language all words."""
    language.keep()
    with st.sidebar, services.shown_errors():
        _model_picker()
        language.switch()
        who.show()
        _tray()


def address() -> None:
    """The address of what is shown, to be copied; worked out once it is opened, because a page changes it without the
    sidebar."""
    if st.context.url is None:
        return
    with st.sidebar:
        box = st.popover(_("Copy link"), icon=":material/link:", key=f"{PREFIX}address", on_change="rerun")
    if not box.open:
        return
    query = st.query_params.to_dict()
    asked = urlencode(query)
    with box:
        if view.too_long(query):
            st.warning(_("This recipe is too long for a link. Send its file instead: *Download recipe* in Explore, "
                         "*Recipe and export*."), icon=":material/link_off:")  # fmt: skip
            return
        st.code(f"{st.context.url}?{asked}" if asked else st.context.url, language=None, wrap_lines=True)


def _model_picker() -> None:
    cards = {card.name: card for card in catalog()}
    shown = view.current().model
    options = [*cards, *([] if shown in cards else [shown])]
    # the address may have changed since the widget was drawn (a link to a run of another model)
    if st.session_state.get("sidebar/model") != shown:
        st.session_state["sidebar/model"] = shown
    st.selectbox(
        _("Model"), options, key="sidebar/model", on_change=_picked, accept_new_options=True,
        format_func=lambda name: cards[name].title if name in cards else title(name),
        help=_("A model from the catalog, the path of a folder with config.json and safetensors, the path of a .gguf "
               "file, or a hub id such as owner/name."),
    )  # fmt: skip
    if shown in cards:
        st.caption(_(cards[shown].summary))


def _picked() -> None:
    chosen = (st.session_state["sidebar/model"] or "").strip()
    if chosen:
        models.choose(chosen)


@st.fragment(run_every=5.0)
def _tray() -> None:
    """The runs: whether somebody does them, what is on its way, and the way to all of them."""
    st.page_link("pages/runs.py", label=_("Runs"), icon=":material/list:")
    with services.shown_errors():
        client = services.client()
        alive = [worker for worker in client.workers() if worker.age() < FRESH_S]
        counts = client.counts()
        waiting, running = counts[Status.QUEUED], counts[Status.RUNNING]
        if not alive and services.workers_are_starting():
            st.caption(_(":material/hourglass_top: workers are starting"))
        elif not alive:
            st.caption(_(":material/warning: no worker is running; new runs wait"))
        elif waiting or running:
            words = _("{running} running, {waiting} waiting").format(running=running, waiting=waiting)
            st.caption(f":material/bolt: {words}")
        else:
            workers = plural("{count} worker ready", "{count} workers ready", len(alive))
            st.caption(f":material/check_circle: {workers}")
        for run in [*client.runs(status=LIVE, limit=SHOWN), *client.runs(status=Status.DONE, limit=SHOWN)][:SHOWN]:
            st.caption(f"{SIGNS[run.status]} {services.escaped(_short(said(run.title)))}")
        if client.store.replaced is not None:
            words = _("The run store was deleted or replaced at {time}; what you see is what is in it now.")
            st.warning(words.format(time=format.clock(client.store.replaced)), icon=":material/database:")


def _short(words: str) -> str:
    """A title in one or two lines; the whole of it is on the page Runs."""
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"
