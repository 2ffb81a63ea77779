"""A run on its way: how far, how much longer, a button to stop it, and what to do when it ended badly."""

from __future__ import annotations

import streamlit as st

from optlab.figures import format
from optlab.i18n import _
from optlab.store.run import Run, Status
from pages.components.shared.services import sentence

COLOURS = {
    Status.QUEUED: "gray", Status.RUNNING: "blue", Status.DONE: "green",
    Status.FAILED: "red", Status.CANCELLED: "gray", Status.INTERRUPTED: "orange",
}  # fmt: skip


def status_badge(run: Run) -> None:
    """The status of a run as a badge."""
    words = {
        Status.QUEUED: _("waiting"), Status.RUNNING: _("running"), Status.DONE: _("done"), Status.FAILED: _("failed"),
        Status.CANCELLED: _("cancelled"), Status.INTERRUPTED: _("interrupted"),
    }  # fmt: skip
    st.badge(words[run.status], color=COLOURS[run.status])  # type: ignore[arg-type]


def bar(run: Run) -> None:
    """How far a live run is, in a bar and in words."""
    if run.status == Status.QUEUED:
        st.progress(0.0, text=_("Waiting for a free worker."))
        return
    left = run.seconds_left
    words = sentence(run.message or _("starting"))
    if left is not None:
        words = f"{words} " + _("About {time} left.").format(time=format.duration(left))
    st.progress(run.progress, text=words)


def explain(run: Run) -> None:
    """What happened to a run that did not finish."""
    if run.status == Status.FAILED:
        st.error(sentence(run.error or _("it failed; see the log")), icon=":material/error:", width="stretch")
    elif run.status == Status.INTERRUPTED:
        st.warning(
            _("This run was interrupted: {why}").format(why=sentence(run.message)),
            icon=":material/bolt:", width="stretch",
        )  # fmt: skip
    elif run.status == Status.CANCELLED:
        st.info(_("This run was cancelled."), icon=":material/do_not_disturb_on:", width="stretch")
