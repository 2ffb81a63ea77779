"""Runs: the queue as it is, and what a person can do about each run."""

from __future__ import annotations

from typing import Any

import pytest

from optlab.client.client import Client
from optlab.store.run import Run
from optlab.store.store import Store
from tests.pages import samples
from tests.pages.conftest import open_page, well, words


def keys(app: object) -> set[str]:
    return {button.key for button in app.button if button.key}  # type: ignore[attr-defined]


def test_an_empty_store_says_what_will_appear(client: Client) -> None:
    assert "No run here" in open_page("runs").info[0].value


def test_every_status_offers_what_makes_sense(prepared: Client) -> None:
    done, failed, stopped = samples.measured(prepared, 4), samples.failed(prepared), samples.interrupted(prepared)
    running = samples.running(prepared)
    found = keys(open_page("runs"))
    assert f"cancel/{running.id}" in found
    assert f"delete/{running.id}" not in found
    assert {f"retry/{failed.id}", f"retry/{stopped.id}"} <= found
    assert f"retry/{done.id}" not in found
    assert {f"open/{done.id}", f"delete/{done.id}", f"log/{done.id}"} <= found


def test_an_interrupted_run_says_what_happened(prepared: Client) -> None:
    samples.interrupted(prepared)
    assert "The worker was killed" in open_page("runs").warning[0].value


def test_retry_queues_it_again(prepared: Client) -> None:
    run = samples.interrupted(prepared)
    app = open_page("runs")
    well(app.button(key=f"retry/{run.id}").click().run())
    assert prepared.store.get(run.id).status == "queued"


def test_cancel_of_a_running_run_is_asked_for(prepared: Client) -> None:
    run = samples.running(prepared)
    app = open_page("runs")
    well(app.button(key=f"cancel/{run.id}").click().run())
    assert prepared.store.cancel_requested(run.id)


def test_delete_asks_first(prepared: Client) -> None:
    run = samples.measured(prepared, 4)
    app = open_page("runs")
    well(app.button(key=f"delete/{run.id}").click().run())
    assert prepared.store.get(run.id) is not None
    well(app.button(key="delete/yes").click().run())
    assert prepared.store.get(run.id) is None


def test_the_log_is_shown(prepared: Client) -> None:
    run = samples.measured(prepared, 4)
    app = open_page("runs")
    well(app.button(key=f"log/{run.id}").click().run())
    assert "attempt 1 by worker-1-1" in words(app)


def test_progress_and_its_message_are_shown(prepared: Client) -> None:
    samples.running(prepared)
    (bar,) = open_page("runs").get("progress")
    assert bar.proto.value == 50
    assert "Window 8 of 16" in bar.proto.text


def test_many_runs_are_shown_page_by_page(prepared: Client) -> None:
    for number in range(30):
        prepared.store.submit("generate", {}, f"key {number}", f"text {number}")
    app = open_page("runs")
    assert len([key for key in keys(app) if key.startswith("log/")]) == 12


def test_the_list_is_drawn_from_one_page_of_the_store(prepared: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        prepared.store.submit("generate", {}, f"key {number}", f"text {number}")
    taken: list[int] = []
    original = Store.list

    def listed(store: Store, *arguments: Any, **named: Any) -> list[Run]:
        found = original(store, *arguments, **named)
        taken.append(len(found))
        return found

    monkeypatch.setattr(Store, "list", listed)
    open_page("runs")
    assert max(taken) == 12


def test_a_title_is_never_read_as_markup(prepared: Client) -> None:
    prepared.store.submit("generate", {}, "key", "<b>**bold**</b> [link](http://x)")
    assert r"\*\*bold" in words(open_page("runs"))
