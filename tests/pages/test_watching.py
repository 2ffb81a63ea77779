"""Watching runs: stopped and tried again in one place, drawn anew when they end, gone without an exception."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from optlab.client.client import Client
from optlab.protocol import Protocol
from tests.pages import samples
from tests.pages.conftest import well, words


def page() -> None:
    """A page that found `found`, perhaps a moment ago, and watches it."""
    import streamlit as st

    from pages.components.shared import services, watching

    with services.shown_errors():
        client = services.client()
        st.session_state["drawn"] = st.session_state.get("drawn", 0) + 1
        found = st.session_state.pop("found", None) or [client.run(id) for id in st.session_state["ids"]]
        runs = [run for run in found if run is not None]
        if not runs:
            st.caption("nothing was asked for")
        else:
            watching.watch_all(
                runs, "these", lambda now: st.markdown(", ".join(run.status for run in now)),
                resumes=st.session_state["resumes"],
            )  # fmt: skip


def watched(client: Client, *ids: int, resumes: bool = False) -> AppTest:
    app = AppTest.from_function(page, default_timeout=30)
    app.session_state["ids"] = ids
    app.session_state["resumes"] = resumes
    app.session_state["found"] = [client.run(id) for id in ids]
    return app


def two(client: Client) -> list[int]:
    """The first runs, the second waits."""
    runs = [client.submit_measure("nano", samples.quantized(bits), Protocol()) for bits in (3, 4)]
    assert client.store.claim("worker-1-1") is not None
    return [run.id for run in runs]


def test_runs_asked_for_together_are_stopped_together(prepared: Client) -> None:
    first, second = two(prepared)
    app = well(watched(prepared, first, second).run())
    assert "running, queued" in words(app)
    well(app.button(key=f"these/{first}/cancel").click().run())
    assert prepared.cancelling(first)
    assert [prepared.run(id).status for id in (first, second)] == ["running", "cancelled"]  # type: ignore[union-attr]
    assert app.button(key=f"these/{first}/stopping").disabled


@pytest.mark.parametrize(("resumes", "label"), [(False, "Retry"), (True, "Continue")])
def test_what_stopped_is_tried_again_together(prepared: Client, resumes: bool, label: str) -> None:
    first, second = two(prepared)
    prepared.store.fail(first, "the text is too short", "worker-1-1")
    prepared.cancel(second)
    app = well(watched(prepared, first, second, resumes=resumes).run())
    assert [error.value for error in app.error] == ["The text is too short."]
    button = app.button(key=f"these/{first}/retry")
    assert button.label == label
    well(button.click().run())
    assert [prepared.run(id).status for id in (first, second)] == ["queued", "queued"]  # type: ignore[union-attr]


def test_the_whole_page_is_drawn_anew_when_a_run_has_ended(prepared: Client) -> None:
    run = samples.running(prepared)
    app = watched(prepared, run.id)
    assert prepared.store.fail(run.id, "no memory", "worker-1-1")
    well(app.run())
    assert app.session_state["drawn"] == 2
    assert "failed" in words(app)


def test_a_run_that_did_not_change_is_drawn_once(prepared: Client) -> None:
    run = samples.running(prepared)
    assert well(watched(prepared, run.id).run()).session_state["drawn"] == 1


def test_a_run_that_was_deleted_meanwhile_leaves_the_page_as_if_never_asked(prepared: Client) -> None:
    run = samples.measured(prepared, 4)
    app = watched(prepared, run.id)
    prepared.delete(run.id)
    assert "nothing was asked for" in words(well(app.run()))
