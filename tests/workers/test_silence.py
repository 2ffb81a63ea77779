"""A worker is given up only when it could have given a sign of life and did not."""

from __future__ import annotations

import sqlite3
import time

import pytest

from optlab.store.schema import sqlite_file
from optlab.store.store import LOST, Store
from optlab.workers import silence
from optlab.workers.silence import AGAIN_S, SILENT_S, Silence


class Clock:
    """Seconds that go forward when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def begun_by(store: Store, worker: str) -> int:
    """The number of a run that `worker` begins and gives one sign of life of."""
    store.submit("measure", {}, "k", "title")
    run = store.claim(worker)
    assert run is not None
    store.beat(worker, 1, run.id)
    return run.id


def test_a_worker_that_died_is_believed_dead_at_the_second_look(
    file_store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = begun_by(file_store, "gone")
    looks, later = Silence(file_store, clock), time.time() + SILENT_S + 1
    assert looks.look() == []
    monkeypatch.setattr(time, "time", lambda: later)
    assert looks.look() == []
    clock.now = AGAIN_S - 0.1
    assert looks.look() == []
    clock.now = AGAIN_S
    assert looks.look() == ["gone"]
    looks.settle()
    left = file_store.get(id)
    assert left is not None and (left.status, left.message) == ("interrupted", LOST)
    assert looks.look() == []


def test_a_clock_that_jumps_kills_nobody(file_store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    file_store.beat("alive", 1, None)
    looks, jumped = Silence(file_store, clock), time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: jumped)
    assert looks.look() == []
    file_store.beat("alive", 1, None)  # with the new clock, as every second
    clock.now += AGAIN_S + 1
    assert looks.look() == []
    clock.now += 100
    assert looks.look() == []
    monkeypatch.setattr(time, "time", lambda: jumped - 7200)  # and back
    assert looks.look() == []


def test_who_died_before_the_clock_was_put_back_is_given_up_and_who_beats_by_the_new_one_is_not(
    file_store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = begun_by(file_store, "gone")
    file_store.beat("alive", 1, None)
    looks, back = Silence(file_store, clock), time.time() - 7200
    monkeypatch.setattr(time, "time", lambda: back)
    assert looks.look() == []
    file_store.beat("alive", 1, None)
    clock.now += AGAIN_S
    assert looks.look() == ["gone"]
    looks.settle()
    left = file_store.get(id)
    assert left is not None and (left.status, left.message) == ("interrupted", LOST)


def test_nobody_is_judged_while_the_store_is_locked(
    file_store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optlab.store.schema.BUSY_TIMEOUT_MS", 50)
    store = Store(file_store.url)
    store.beat("alive", 1, None)
    looks, later = Silence(store, clock), time.time() + 25
    monkeypatch.setattr(time, "time", lambda: later)
    with sqlite3.connect(str(sqlite_file(store.url)), isolation_level=None) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for _ in range(5):
            assert looks.look() == []
            clock.now += 5
        connection.execute("ROLLBACK")
    assert looks.look() == []  # the first look at a store that answers
    store.beat("alive", 1, None)
    clock.now += AGAIN_S
    assert looks.look() == []


def test_settling_takes_no_time_where_all_is_well(file_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence.time, "sleep", lambda seconds: pytest.fail("waited"))
    file_store.beat("alive", 1, None)
    Silence(file_store).settle()
