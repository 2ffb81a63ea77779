"""A worker tells how much longer a run takes, and learns from every run how long the next one will."""

from __future__ import annotations

import time

import pytest

from optlab.jobs import durations
from optlab.store.run import Run, Status
from optlab.store.store import Store
from optlab.time_left import GROWTH
from optlab.workers.execution import execute, whole_run
from optlab.workers.heartbeat import Heartbeat, RunProgress
from optlab.workers.run_log import RunLog
from tests.workers.work import KINDS


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("optlab.workers.heartbeat.time.monotonic", lambda: self.now)


def run_of(store: Store, name: str = "a") -> Run:
    store.submit("measure", {"version": 1, "do": "add", "name": name}, name, name)
    claimed = store.claim("w")
    assert claimed is not None
    return claimed


def progress_of(store: Store, expected: float | None = None) -> RunProgress:
    run = run_of(store)
    return RunProgress(run, RunLog(store, run.id), expected=expected)


def left(progress: RunProgress) -> float | None:
    assert progress.latest is not None
    return progress.latest[3]


def test_a_run_of_an_unknown_kind_is_extrapolated_once_it_has_begun(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = progress_of(store)
    clock = Clock(monkeypatch)
    progress.began = clock.now
    progress(0.01, "starting")
    assert left(progress) is None
    clock.now += 10.0
    progress(0.25, "a quarter")
    assert left(progress) == pytest.approx(30.0)
    clock.now += 30.0
    progress(0.3, "slower now")  # 93 s would be a jump
    assert left(progress) is None or left(progress) <= GROWTH * 30.0  # type: ignore[operator]


def test_what_was_done_before_is_expected_to_take_as_long_from_the_first_report_on(store: Store) -> None:
    progress = progress_of(store, expected=60.0)
    progress(0.0, "starting")
    assert left(progress) == pytest.approx(60.0, abs=1.0)


def test_an_executor_that_knows_better_is_believed(store: Store) -> None:
    progress = progress_of(store, expected=60.0)
    progress.left(7.0)
    progress(0.5, "half")
    assert left(progress) == 7.0
    assert progress.foretold


def test_every_finished_run_teaches_how_long_the_next_takes(store: Store) -> None:
    run = run_of(store)
    before = time.monotonic()
    assert execute(store, run, Heartbeat(store, "w"), KINDS).error is None
    took = time.monotonic() - before
    assert store.get(run.id).status == Status.DONE  # type: ignore[union-attr]
    expected = durations.load().expected(whole_run(run, KINDS))
    assert expected is not None and 0.0 < expected <= took
