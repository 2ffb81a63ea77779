"""Everything that was asked for: what waits, what runs, what is done, what went wrong and how to try again."""

import streamlit as st

from optlab.errors import OptLabError
from optlab.figures import format, verdict
from optlab.i18n import _, said
from optlab.jobs.measure import MEASURE
from optlab.jobs.measured import readable, unreadable
from optlab.jobs.registry import KINDS
from optlab.store.run import LIVE, RETRYABLE, Run, Status
from optlab.store.store import Moves
from pages.components.runs import disk, project
from pages.components.shared import facts, frame, labels, progress, services, view

PER_PAGE = 12
REFRESH_S, WATCHED_S = 1.5, 3.0
DIALOGS = {"runs/log", "runs/delete", "runs/label"}
FILTERS: dict[str, tuple[str, ...]] = {
    "all": tuple(Status),
    "live": LIVE,
    "done": (Status.DONE,),
    "stopped": RETRYABLE,
}


def main() -> None:
    """Draw the page."""
    st.title(_("Runs"))
    st.caption(_("Runs belong to the workers, not to this tab: close it, and they go on."))
    names = {"all": _("All"), "live": _("Waiting and running"), "done": _("Done"), "stopped": _("Stopped")}
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        chosen = st.segmented_control(
            _("Show"), list(FILTERS), default="all", format_func=names.__getitem__, key="runs/filter",
            label_visibility="collapsed",
        )  # fmt: skip
        with services.shown_errors():
            disk.show()
            project.show()
    queue(FILTERS[chosen or "all"])


def queue(statuses: tuple[str, ...]) -> None:
    """One page of the list, drawn again and again while something is under way, else only when something moved."""
    with services.shown_errors():
        client = services.client()
        live = any(client.counts()[status] for status in LIVE)
        st.fragment(listed, run_every=REFRESH_S if live else None)(statuses)
        if not DIALOGS & set(st.session_state):  # drawing the page again would close a dialog
            moved(client.moves())


def listed(statuses: tuple[str, ...]) -> None:
    """Its runs, and a pager where there are more."""
    with services.shown_errors():
        client = services.client()
        counts = client.counts()
        count = sum(counts[status] for status in statuses)
        if not count:
            st.info(_("No run here. Press Measure in Explore, and it will show up at once."), icon=":material/inbox:")
            return
        pages = -(-count // PER_PAGE)
        page = st.pagination(pages, key="runs/page") if pages > 1 else 1
        every = None if len(statuses) == len(Status) else statuses
        for run in client.runs(status=every, limit=PER_PAGE, offset=(page - 1) * PER_PAGE):
            row(run)


@st.fragment(run_every=WATCHED_S)
def moved(seen: Moves) -> None:
    """Draw nothing; draw the page again once a run was added, deleted, or got another status."""
    with services.shown_errors():
        if services.client().moves() != seen:
            st.rerun()


def row(run: Run) -> None:
    """One run: what it is, how it is doing, what can be done with it."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            progress.status_badge(run)
            star = ":material/star: " if run.label.starred else ""
            title = services.escaped(run.label.name or said(run.title))
            st.markdown(f"{star}**{title}**  \n:small[:gray[{when(run)}]]", width="stretch")
            buttons(run)
        if run.live:
            progress.bar(run)
        else:
            progress.explain(run)
            if run.label.note:
                st.caption(f":material/sticky_note_2: {services.escaped(run.label.note)}")
            facts.unreadable([why] if (why := unreadable(run)) is not None else [])
            one = next(iter(readable([run])), None)
            if one is not None:
                st.caption(verdict.in_words(one.result))


def when(run: Run) -> str:
    """Number, kind and times of a run, in one line."""
    kind = _(KINDS[run.kind].label) if run.kind in KINDS else run.kind
    parts = [f"\\#{run.id}", kind, format.moment(run.created).replace(":", "\\:")]
    elapsed = run.elapsed()
    if elapsed is not None:
        parts.append(format.duration(elapsed))
    if run.attempts > 1:
        parts.append(_("attempt {count}").format(count=run.attempts))
    if run.asked_by:
        parts.append(services.escaped(run.asked_by))
    return " · ".join(parts)


def buttons(run: Run) -> None:
    """What a person can do with a run in its present state."""
    client = services.client()
    if run.live and client.cancelling(run.id):
        st.button(_("Stopping"), key=f"stopping/{run.id}", disabled=True)
    elif run.live:
        services.action(_("Cancel"), f"cancel/{run.id}", ":material/stop_circle:", client.cancel, run.id)
    if run.retryable:
        services.action(_("Retry"), f"retry/{run.id}", ":material/replay:", client.retry, run.id)
    if run.kind == "measure":
        try:
            link = view.link_to_run(MEASURE.spec_of(run))
        except OptLabError:  # made by a version with other methods or settings
            link = None
        if link and st.button(_("Open"), key=f"open/{run.id}", icon=":material/tune:"):
            st.switch_page("pages/explore.py", query_params=link)
    if st.button(_("Log"), key=f"log/{run.id}", icon=":material/receipt_long:"):
        st.session_state["runs/log"] = run.id
        st.rerun()
    if st.button("", key=f"edit/{run.id}", icon=":material/edit:", help=_("Name, note and star")):
        st.session_state["runs/label"] = run.id
        st.rerun()
    if run.status != Status.RUNNING and st.button(
        "", key=f"delete/{run.id}", icon=":material/delete:", help=_("Delete")
    ):
        st.session_state["runs/delete"] = run.id
        st.rerun()


@st.dialog(_("Log"), width="large", icon=":material/receipt_long:", on_dismiss="rerun")
def log(id: int) -> None:
    """What the worker wrote about a run."""
    with services.shown_errors():
        lines = services.client().logs(id)
        if not lines:
            st.caption(_("The worker has written nothing about this run."))
            return
        st.code("\n".join(f"{format.clock(when)}  {line}" for when, line in lines), language=None, height=420)


@st.dialog(_("Name, note and star"), width="large", icon=":material/edit:", on_dismiss="rerun")
def label(id: int) -> None:
    """What people write on a run."""
    with services.shown_errors():
        run = services.client().run(id)
        if run is None:
            st.rerun()
        labels.edit(run)


@st.dialog(_("Delete this run?"), icon=":material/delete:", on_dismiss="rerun")
def delete(id: int) -> None:
    """Ask before a result is lost."""
    with services.shown_errors():
        client = services.client()
        run = client.run(id)
        if run is None:
            st.rerun()  # deleted just now, here or elsewhere: close, and draw the list without it
        st.markdown(f"**{services.escaped(said(run.title))}**")
        st.caption(_("Its figures, its log and its packed model are removed. It can be measured again."))
        with st.container(horizontal=True):
            services.action(_("Delete"), "delete/yes", ":material/delete:", client.delete, id, type="primary")
            if st.button(_("Keep"), key="delete/no"):
                st.rerun()


frame.required()
main()
if (asked := st.session_state.pop("runs/log", None)) is not None:
    log(asked)
if (asked := st.session_state.pop("runs/delete", None)) is not None:
    delete(asked)
if (asked := st.session_state.pop("runs/label", None)) is not None:
    label(asked)
