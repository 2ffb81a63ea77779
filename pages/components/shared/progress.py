"""A run on its way: how far, how much longer, a button to stop it, and what to do when it ended badly."""

from __future__ import annotations

import streamlit as st

from optlab.client.client import Client
from optlab.figures import format
from optlab.i18n import _
from optlab.store.run import Run
from pages.components.shared import services
from pages.components.shared.services import sentence

COLOURS = {
    "queued": "gray", "running": "blue", "done": "green", "failed": "red", "cancelled": "gray", "interrupted": "orange",
}  # fmt: skip


def status_badge(run: Run) -> None:
    """The status of a run as a badge."""
    words = {
        "queued": _("waiting"), "running": _("running"), "done": _("done"), "failed": _("failed"),
        "cancelled": _("cancelled"), "interrupted": _("interrupted"),
    }  # fmt: skip
    st.badge(words[run.status], color=COLOURS[run.status])  # type: ignore[arg-type]


def bar(run: Run) -> None:
    """How far a live run is, in a bar and in words."""
    if run.status == "queued":
        st.progress(0.0, text=_("Waiting for a free worker."))
        return
    left = run.eta()
    words = sentence(run.message or _("starting"))
    if left is not None:
        words = f"{words} " + _("About {time} left.").format(time=format.duration(left))
    st.progress(run.progress, text=words)


def watch(client: Client, run: Run, key: str) -> None:
    """The bar of a live run with its cancel button; why one that ended badly did, with its retry button."""
    if run.live:
        with st.container(horizontal=True, vertical_alignment="center"):
            with st.container(width="stretch"):
                bar(run)
            if client.store.cancel_requested(run.id):
                st.button(_("Stopping"), key=f"{key}/stopping", disabled=True)
            else:
                services.action(
                    _("Cancel"), f"{key}/cancel", ":material/stop_circle:", client.store.request_cancel, run.id
                )
    elif run.retryable:
        with st.container(horizontal=True, vertical_alignment="center"):
            explain(run)
            # not on_click: that would come before this was drawn, and nothing would be left to press
            if st.button(_("Retry"), key=f"{key}/retry", icon=":material/replay:"):
                services.act(client.store.retry, run.id)
                st.rerun()  # the whole page, which then keeps itself up to date again


def until_done(run: Run, key: str) -> None:
    """Watch a run that is not done; the whole page is drawn anew once it is."""
    st.fragment(_until_done, run_every=1.0 if run.live else None)(run.id, key)


def _until_done(id: int, key: str) -> None:
    with services.shown_errors():
        client = services.client()
        run = client.store.get(id)
        if run is None:
            return
        if run.status == "done":
            st.rerun()
        watch(client, run, f"{key}/{id}")


def explain(run: Run) -> None:
    """What happened to a run that did not finish."""
    if run.status == "failed":
        st.error(sentence(run.error or _("it failed without a reason")), icon=":material/error:", width="stretch")
    elif run.status == "interrupted":
        st.warning(
            _("This run was interrupted: {why}").format(why=sentence(run.message)),
            icon=":material/bolt:", width="stretch",
        )  # fmt: skip
    elif run.status == "cancelled":
        st.info(_("This run was cancelled."), icon=":material/do_not_disturb_on:", width="stretch")
