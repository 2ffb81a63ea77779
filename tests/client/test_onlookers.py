"""What was begun for somebody who looks ends when nobody does; what somebody asked for does not."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import pytest

from optlab.client import onlookers
from optlab.client.client import Client
from optlab.client.onlookers import Onlookers
from optlab.store.run import Status
from optlab.store.store import Store


@dataclass
class Room:
    """A store with one run that waits, a clock, and who is there."""

    client: Client
    now: float = 0.0
    there: set[str] = field(default_factory=lambda: {"a"})

    def __post_init__(self) -> None:
        self.run = self.client.store.submit("measure", {}, "k", "title")
        self.onlookers = Onlookers(self.client, grace_s=10.0, clock=lambda: self.now)
        self.onlookers._thread = None

    def enter(self, viewer: str, begins: bool = False) -> None:
        self.there.add(viewer)
        what = self.onlookers.begun if begins else self.onlookers.look
        what(self.run.id, viewer, lambda: viewer in self.there)

    def status_after(self, seconds: float) -> Status | None:
        """None: the run is gone."""
        self.now += seconds
        self.onlookers.check()
        run = self.client.run(self.run.id)
        return None if run is None else run.status


@pytest.fixture
def room(store: Store, monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.setattr(Onlookers, "_watch", lambda self: None)
    room = Room(Client(store))
    room.enter("a", begins=True)
    return room


def test_a_run_that_nobody_looks_at_is_stopped_after_a_while_and_leaves_no_trace(room: Room) -> None:
    assert room.status_after(3600.0) == Status.QUEUED
    room.there.clear()
    assert room.status_after(9.0) == Status.QUEUED
    assert room.status_after(2.0) == Status.CANCELLED
    assert room.status_after(1.0) is None  # who comes back finds it not begun, and not as one that somebody cancelled
    assert not room.onlookers.unasked(room.run.id)


def test_one_that_works_is_gone_once_its_worker_has_stopped(room: Room) -> None:
    assert room.client.store.claim("w") is not None
    room.onlookers.withdraw(room.run.id)
    assert room.status_after(1.0) == Status.RUNNING
    room.client.store.mark_cancelled(room.run.id)
    assert room.status_after(1.0) is None


def test_one_that_was_done_before_it_could_be_stopped_stays(room: Room) -> None:
    assert room.client.store.claim("w") is not None
    room.onlookers.withdraw(room.run.id)
    room.client.store.finish(room.run.id, {})
    assert room.status_after(1.0) == Status.DONE
    assert not room.onlookers.unasked(room.run.id)


def test_what_somebody_asks_for_after_all_stays(room: Room) -> None:
    room.onlookers.withdraw(room.run.id)
    room.onlookers.asked_for(room.run.id)
    assert room.status_after(1.0) == Status.CANCELLED


def test_a_tab_that_was_loaded_again_keeps_it(room: Room) -> None:
    room.there.clear()
    assert room.status_after(5.0) == Status.QUEUED
    room.enter("b")
    assert room.status_after(3600.0) == Status.QUEUED
    assert room.onlookers.unasked(room.run.id)


def test_what_somebody_asked_for_goes_on_whoever_looks(room: Room) -> None:
    room.onlookers.asked_for(room.run.id)
    room.there.clear()
    assert room.status_after(3600.0) == Status.QUEUED
    room.enter("b")  # to look at it is not to take it back
    room.there.clear()
    assert room.status_after(3600.0) == Status.QUEUED


def test_what_has_ended_is_forgotten(room: Room) -> None:
    room.client.cancel(room.run.id)
    assert room.status_after(0.0) == Status.CANCELLED
    assert not room.onlookers.unasked(room.run.id)


def test_a_thread_counts_while_there_is_something_to_count(file_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onlookers, "TICK_S", 0.01)
    client = Client(file_store)
    run = file_store.submit("measure", {}, "k", "title")
    watched = Onlookers(client, grace_s=0.0)
    watched.begun(run.id, "a", lambda: False)
    deadline = time.monotonic() + 20.0
    while watched.unasked(run.id) and time.monotonic() < deadline:
        time.sleep(0.02)
    while client.run(run.id) is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert client.run(run.id) is None
