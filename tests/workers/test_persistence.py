"""How a run ended is written sooner or later, whatever the store does at the moment when it ends."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from optlab.store.run import Run
from optlab.store.store import Store
from optlab.workers import execution
from optlab.workers.heartbeat import Heartbeat
from optlab.workers.run_log import RunLog
from tests.workers.work import KINDS


class Busy:
    """A method of a store that raises `times` times before it works."""

    def __init__(self, method: Any, times: int) -> None:
        self.method, self.left = method, times

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if self.left > 0:
            self.left -= 1
            raise OperationalError("", {}, Exception("database or disk is full"))
        return self.method(*arguments, **named)


def claimed(store: Store, do: str) -> tuple[Run, Heartbeat]:
    store.submit("measure", {"do": do, "name": do, "a": 2, "b": 3}, do, do)
    heartbeat = Heartbeat(store, "w")  # not started: what it would write is written at the end
    run = store.claim("w")
    assert run is not None
    return run, heartbeat


@pytest.mark.parametrize(("do", "method", "status"), [
    ("add", "finish", "done"), ("refuse", "fail", "failed"), ("crash", "fail", "failed"),
    ("add", "append", "done"), ("add", "report", "done"), ("crash", "append", "failed"),
])  # fmt: skip
def test_a_store_that_does_not_answer_for_a_while_loses_no_run(
    file_store: Store, monkeypatch: pytest.MonkeyPatch, do: str, method: str, status: str
) -> None:
    monkeypatch.setattr(execution, "AGAIN_S", 0.0)
    monkeypatch.setattr(file_store, method, Busy(getattr(file_store, method), 3 if method != "append" else 10**9))
    run, heartbeat = claimed(file_store, do)
    execution.execute(file_store, run, heartbeat, KINDS)
    assert file_store.get(run.id).status == status  # type: ignore[union-attr]


def test_a_store_that_never_answers_again_ends_the_worker(file_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0.0, 1.0)
    run, heartbeat = claimed(file_store, "add")
    monkeypatch.setattr(execution, "PATIENCE_S", 50.0)
    monkeypatch.setattr(execution.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(execution.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(file_store, "finish", Busy(file_store.finish, 10**9))
    monkeypatch.setattr(file_store, "fail", Busy(file_store.fail, 10**9))
    with pytest.raises(OperationalError):
        execution.execute(file_store, run, heartbeat, KINDS)


def test_lines_wait_for_the_store_and_the_oldest_go_when_there_are_too_many(
    file_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = claimed(file_store, "add")
    log = RunLog(file_store, run.id)
    with monkeypatch.context() as locked:
        locked.setattr(file_store, "append", Busy(file_store.append, 10**9))
        for number in range(5000):
            log(f"line {number}")
        assert not log.flush()
    assert log.flush()
    assert [line for _, line in file_store.logs(run.id)] == [f"line {number}" for number in range(3000, 5000)]


def test_a_report_that_could_not_be_written_is_written_later(
    file_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, heartbeat = claimed(file_store, "add")
    progress = heartbeat.start_run(run)
    progress(0.5, "half")
    with monkeypatch.context() as locked:
        locked.setattr(file_store, "report", Busy(file_store.report, 1))
        with pytest.raises(OperationalError):
            heartbeat.flush(progress)
    heartbeat.flush(progress)
    assert file_store.get(run.id).progress == 0.5  # type: ignore[union-attr]
