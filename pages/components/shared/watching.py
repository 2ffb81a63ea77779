"""A run before one's eyes: how far it is, a button to stop it, what is known so far, what to do when it ended badly.

Every page that waits for a run watches it here. The run belongs to the workers and not to the tab: a closed page loses
nothing, because it finds the run again by what was asked for. While a run is live, its part of the page is drawn again
by itself; as soon as it has ended, was deleted or goes on, the whole page is, because it then has something else to
show.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from optlab.client.client import Client
from optlab.i18n import _, plural, said
from optlab.store.run import Run, Status
from pages.components.shared import progress, services
from pages.components.shared.services import escaped

REFRESH_S = 1.0
MOST_SHOWN = 4
"""Bars of runs that are under way."""


def watch(
    run: Run, key: str, draw: Callable[[Run], None] = lambda run: None, every: float = REFRESH_S, resumes: bool = False
) -> None:
    """Draw `run` as it is, and again by itself while it is live.

    key: begins the names of its buttons. draw: shows the results so far, and those of a run that is done; it is called
    in every state. every: seconds between two drawings. resumes: a stopped run goes on where it was.
    """
    watch_all([run], key, lambda runs: draw(runs[0]), every, resumes)


def watch_all(
    runs: Sequence[Run], key: str, draw: Callable[[Sequence[Run]], None], every: float = REFRESH_S,
    resumes: bool = False,
) -> None:  # fmt: skip
    """`watch` for runs that were asked for together: one bar, and buttons that stop and continue all of them."""

    def shown(now: Sequence[Run]) -> None:
        controls(services.client(), now, f"{key}/{now[0].id}", resumes)
        draw(now)

    _follow(runs, shown, every)


def under_way(runs: Sequence[Run]) -> None:
    """A bar for each of the first few `runs`, which are live; nothing without any."""
    if runs:
        _follow(runs, _bars, REFRESH_S)


def follow(run: Run, draw: Callable[[Run], None]) -> None:
    """Draw `run` again and again while it is live, without a bar; the whole page once it has ended."""
    _follow([run], lambda runs: draw(runs[0]), REFRESH_S)


def until_done(run: Run) -> None:
    """Draw nothing of `run`; draw the whole page again once it has ended."""
    _follow([run], lambda runs: None, REFRESH_S)


def controls(client: Client, runs: Sequence[Run], key: str, resumes: bool = False) -> None:
    """The bar of live runs with the button that stops them, or why they stopped with the one that tries again.

    Where some go on and others died (a student, beside its control), both are shown: what goes on alone proves nothing.
    """
    live, stopped = [run for run in runs if run.live], [run for run in runs if run.retryable]
    if live:
        with st.container(horizontal=True, vertical_alignment="center"):
            _under_way(client, live, key, resumes)
    died = [run for run in stopped if run.status != Status.CANCELLED]
    if died or (stopped and not live):
        with st.container(horizontal=True, vertical_alignment="center"):
            _stopped(client, died if live else stopped, key, resumes)


def _under_way(client: Client, live: Sequence[Run], key: str, resumes: bool) -> None:
    with st.container(width="stretch"):
        progress.bar(next((run for run in live if run.status == Status.RUNNING), live[0]))
    if any(client.cancelling(run.id) for run in live):
        st.button(_("Stopping"), key=f"{key}/stopping", disabled=True)
    else:
        words = _("Stop") if resumes else _("Cancel")
        services.action(words, f"{key}/cancel", ":material/stop_circle:", _each, client.cancel, live)


def _stopped(client: Client, stopped: Sequence[Run], key: str, resumes: bool) -> None:
    if resumes and stopped[0].status == Status.CANCELLED:
        st.info(_("Stopped. Its state is saved; it can continue from here."), icon=":material/pause_circle:",
                width="stretch")  # fmt: skip
    else:
        progress.explain(stopped[0])
    words, icon = (_("Continue"), ":material/play_arrow:") if resumes else (_("Retry"), ":material/replay:")
    # not on_click: that would come before this was drawn, and nothing would be left to press
    if st.button(words, key=f"{key}/retry", icon=icon, type="primary" if resumes else "secondary"):
        services.act(_each, client.retry, stopped)
        st.rerun()  # the whole page, which then keeps itself up to date again


def _follow(runs: Sequence[Run], draw: Callable[[Sequence[Run]], None], every: float) -> None:
    live = {run.id for run in runs if run.live}
    st.fragment(_followed, run_every=every if live else None)([run.id for run in runs], live, draw)


def _followed(ids: Sequence[int], live: set[int], draw: Callable[[Sequence[Run]], None]) -> None:
    with services.shown_errors():
        client = services.client()
        runs = [run for id in ids if (run := client.run(id)) is not None]
        if len(runs) < len(ids) or {run.id for run in runs if run.live} != live:
            st.rerun()
        draw(runs)


def _bars(runs: Sequence[Run]) -> None:
    st.caption(plural("{count} measurement in progress", "{count} measurements in progress", len(runs)))
    for run in runs[:MOST_SHOWN]:
        st.caption(escaped(said(run.title)))
        progress.bar(run)


def _each(act: Callable[[int], object], runs: Sequence[Run]) -> None:
    for run in runs:
        act(run.id)
