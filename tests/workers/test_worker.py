"""Real worker processes under a real supervisor: they do the work, and they may be killed at any moment."""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from optlab import paths
from optlab.errors import OptLabError
from optlab.store import upkeep
from optlab.store.rows import MOST_ATTEMPTS
from optlab.store.run import Run
from optlab.store.schema import BUSY_TIMEOUT_MS, sqlite_file
from optlab.store.store import KILLED, Store
from optlab.workers.supervisor import Supervisor, default_workers
from optlab.workers.worker import Terminated, WorkerLoop
from tests.workers import work

KINDS = "tests.workers.work:KINDS"
ROOT = Path(__file__).resolve().parents[2]
numbers = itertools.count()

Start = Callable[[int], Supervisor]


@pytest.fixture
def start(file_store: Store) -> Iterator[Start]:
    started: list[Supervisor] = []

    def begin(workers: int) -> Supervisor:
        started.append(Supervisor(file_store, workers, KINDS).start())
        return started[-1]

    yield begin
    for supervisor in started:
        supervisor.stop()


def submit(store: Store, do: str, kind: str = "measure", **spec: Any) -> Run:
    name = spec.setdefault("name", f"{do}-{next(numbers)}")
    return store.submit(kind, {"do": do, **spec}, name, name)


def wait(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """What `condition` gives once it is true; fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


def ended(store: Store, run: Run, seconds: float = 30.0) -> Run:
    def look() -> Run | None:
        now = store.get(run.id)
        assert now is not None
        return None if now.live else now

    return wait(look, seconds)


def begun(store: Store, run: Run) -> Run:
    """The run once its executor is at work (being claimed comes a little before that)."""
    executed = paths.home() / "executed"
    wait(lambda: executed.exists() and run.key in executed.read_text())
    now = store.get(run.id)
    assert now is not None
    return now


def process_of(run: Run) -> int:
    """The process id at the end of the name of the run's worker."""
    return int(str(run.worker).rsplit("-", 1)[1])


def test_a_run_is_done_in_another_process_with_its_last_report_and_log_kept(file_store: Store, start: Start) -> None:
    run = submit(file_store, "add", a=2, b=3)
    start(1)
    done = ended(file_store, run)
    assert (done.status, done.progress, done.error) == ("done", 1.0, None)
    kind = work.KINDS[done.kind]
    result = kind.result_of(done)
    assert result.sum == 5
    assert result.pid != os.getpid()
    assert kind.partial_of(done).step == 100
    assert "adding" in [line for _, line in file_store.logs(run.id)]
    (worker,) = file_store.workers()
    assert worker.pid == result.pid
    assert worker.rss > 1 << 20


def test_failures_end_in_sentences_and_bugs_leave_their_traceback(file_store: Store, start: Start) -> None:
    runs = {do: submit(file_store, do) for do in ("refuse", "crash", "fill_memory", "return_no_data", "fill_disk")}
    start(1)
    errors = {}
    for do, run in runs.items():
        failed = ended(file_store, run)
        assert failed.status == "failed"
        errors[do] = failed.error or ""
    assert errors["refuse"] == "there is no model 'x'; use nano"
    assert errors["crash"] == "unexpected error: KeyError: 'missing'"
    assert "not enough memory" in errors["fill_memory"]
    assert "cannot store a object" in errors["return_no_data"]
    assert str(paths.home()) in errors["fill_disk"]
    assert "is full" in errors["fill_disk"]
    assert list(paths.folder("artefacts").iterdir()) == []
    log = [line for _, line in file_store.logs(runs["crash"].id)]
    assert log[-1] == "KeyError: 'missing'"
    assert any("work.py" in line for line in log)
    assert not any("Traceback" in line for _, line in file_store.logs(runs["refuse"].id))


def test_a_run_whose_worker_was_killed_is_done_by_the_next_one(file_store: Store, start: Start) -> None:
    victim, following = submit(file_store, "stall_once", a=2, b=3), submit(file_store, "add", a=1, b=1)
    start(1)
    pid = process_of(begun(file_store, victim))
    os.kill(pid, signal.SIGKILL)
    done = ended(file_store, victim)
    assert (done.status, done.attempts) == ("done", 2)
    assert work.KINDS["measure"].result_of(done).sum == 5
    assert ended(file_store, following).status == "done"
    assert pid not in [worker.pid for worker in file_store.workers()]


def test_a_run_that_kills_its_worker_is_given_up_after_a_few_attempts(file_store: Store, start: Start) -> None:
    run = submit(file_store, "kill_itself")
    start(1)
    given_up = wait(lambda: (now := file_store.get(run.id)) and now.status == "interrupted" and now)
    assert (given_up.attempts, given_up.message) == (MOST_ATTEMPTS, KILLED)
    assert ended(file_store, submit(file_store, "add", a=1, b=1)).status == "done"
    assert file_store.get(run.id).attempts == MOST_ATTEMPTS  # type: ignore[union-attr]


@pytest.mark.parametrize("do", ["report_until_stopped", "never_report", "hold_the_interpreter"])
def test_a_cancel_works_whatever_the_work_does(file_store: Store, start: Start, do: str) -> None:
    run = submit(file_store, do)
    start(1)
    worker = begun(file_store, run).worker
    file_store.request_cancel(run.id)
    assert ended(file_store, run).status == "cancelled", "the work itself never ends"
    following = ended(file_store, submit(file_store, "add", a=1, b=1))
    assert following.status == "done"
    assert (following.worker == worker) == (do == "report_until_stopped")  # a listening worker keeps its models


def test_the_same_key_is_computed_once_however_often_it_is_asked_for(file_store: Store, start: Start) -> None:
    start(2)
    for _ in range(3):
        for number in range(6):
            submit(file_store, "add", name=f"same-{number}", a=number, b=0)
    for run in file_store.list():
        assert ended(file_store, run).status == "done"
    submit(file_store, "add", name="same-0", a=0, b=0)
    assert Counter((paths.home() / "executed").read_text().split()) == {f"same-{number}": 1 for number in range(6)}


def test_work_that_asks_to_be_alone_is_alone_and_the_rest_goes_side_by_side(file_store: Store, start: Start) -> None:
    shared = [submit(file_store, "trace", name=name, times=400, seconds=0.005, exclusive=False) for name in "ab"]
    start(3)
    for run in shared:
        begun(file_store, run)
    alone = submit(file_store, "trace", name="alone", times=5, seconds=0.02, exclusive=True)
    for run in (alone, *shared):
        assert ended(file_store, run).status == "done"
    seen: list[frozenset[str]] = [frozenset()]
    for line in (paths.home() / "trace").read_text().splitlines():
        name, sign = line.split()
        seen.append(seen[-1] | {name} if sign == "+" else seen[-1] - {name})
    together = set(seen)
    assert frozenset("ab") in together
    assert {who for who in together if "alone" in who} == {frozenset({"alone"})}
    first, last = seen.index(frozenset({"alone"})), len(seen) - 1 - seen[::-1].index(frozenset({"alone"}))
    assert any(seen[:first])  # others worked before it and after it,
    assert any(seen[last + 1 :])  # so it had to be let in


def test_stopping_the_supervisor_ends_its_workers_and_interrupts_their_runs(file_store: Store, start: Start) -> None:
    run = submit(file_store, "report_until_stopped")
    supervisor = start(1)
    pid = process_of(begun(file_store, run))
    supervisor.stop()
    assert file_store.get(run.id).status == "interrupted"  # type: ignore[union-attr]
    assert not psutil.pid_exists(pid)
    assert file_store.workers() == []
    supervisor.start().start()  # starting again, even twice, is no error
    assert len(wait(file_store.workers)) == 1


def test_an_app_that_is_killed_leaves_no_worker_behind(file_store: Store) -> None:
    run = submit(file_store, "never_report")
    code = (
        "import time; from optlab.store.store import Store; from optlab.workers.supervisor import Supervisor\n"
        f"Supervisor(Store(), 1, {KINDS!r}).start(); time.sleep(600)"
    )
    app = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        pid = process_of(begun(file_store, run))
    finally:
        app.kill()
        app.wait()
    assert ended(file_store, run, seconds=10).status == "interrupted"
    wait(lambda: not psutil.pid_exists(pid), seconds=10)


def test_a_second_supervisor_waits_and_takes_over(file_store: Store, start: Start) -> None:
    first = start(1)
    wait(lambda: first.leading)
    second = start(1)
    wait(file_store.workers)
    time.sleep(0.5)
    assert not second.leading
    assert len(file_store.workers()) == 1
    first.stop()
    wait(lambda: second.leading)
    assert ended(file_store, submit(file_store, "add", a=1, b=1)).status == "done"


@pytest.mark.parametrize("locking", [False, True], ids=["idle", "while it keeps the store locked"])
def test_a_worker_that_hangs_loses_its_run_to_another(
    file_store: Store, start: Start, monkeypatch: pytest.MonkeyPatch, locking: bool
) -> None:
    monkeypatch.setattr("optlab.workers.supervisor.SILENT_S", 2.0)
    monkeypatch.setattr("optlab.workers.silence.SILENT_S", 2.0)
    run = submit(file_store, "lock_the_store_once" if locking else "stall_once")
    start(1)
    pid = process_of(begun(file_store, run))
    wait(lambda: not locking or (paths.home() / "locked").exists())
    os.kill(pid, signal.SIGSTOP)
    again = ended(file_store, run, seconds=60)
    assert (again.status, again.attempts) == ("done", 2)
    assert not psutil.pid_exists(pid)  # it would keep its memory and its lock on the machine


def test_a_store_that_is_locked_for_long_loses_nothing(
    file_store: Store, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than a worker may be silent and than a writer waits, while a run writes its log and ends."""
    monkeypatch.setattr("optlab.workers.supervisor.SILENT_S", 2.0)
    monkeypatch.setattr("optlab.workers.silence.SILENT_S", 2.0)
    waiting, run = submit(file_store, "add", a=1, b=1), submit(file_store, "add_when_told", a=2, b=3)
    start(1)
    worker = begun(file_store, run).worker
    with sqlite3.connect(str(sqlite_file(file_store.url)), isolation_level=None) as connection:
        connection.execute("BEGIN IMMEDIATE")
        (paths.home() / "told").touch()
        wait(lambda: (paths.home() / "finished").exists())
        time.sleep(BUSY_TIMEOUT_MS / 1000 + 4.0)
        connection.execute("ROLLBACK")
    done = ended(file_store, run)
    assert (done.status, done.attempts, done.worker) == ("done", 1, worker)
    assert work.KINDS["measure"].result_of(done).sum == 5
    assert [line for _, line in file_store.logs(run.id)][1:] == [f"line {number}" for number in range(300)]
    assert ended(file_store, waiting).status == "done"


def test_a_database_that_is_deleted_is_noticed_and_work_goes_on_in_a_new_one(file_store: Store, start: Start) -> None:
    lost = submit(file_store, "report_until_stopped")
    start(2)
    begun(file_store, lost)
    file = sqlite_file(file_store.url)
    assert file is not None
    file.unlink()
    assert file_store.get(lost.id) is None
    assert file_store.replaced is not None
    runs = [submit(file_store, "add", a=number, b=1) for number in range(4)]
    assert [ended(file_store, run).status for run in runs] == ["done"] * 4
    assert upkeep.faults(file_store.url, thorough=True) == []


def test_a_worker_has_built_once_what_several_kinds_need(file_store: Store) -> None:
    kind = replace(work.KINDS["measure"], builds=("tests.workers.work:build",))
    WorkerLoop(file_store, "w", {"measure": kind, "again": kind}).preload()
    assert wait(lambda: (paths.home() / "built").exists())


def test_what_kinds_of_runs_import_is_there_before_the_first_run_waits(
    file_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "imported_by_a_kind.py").write_text("")
    (tmp_path / "broken_import_of_a_kind.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    modules = ("missing_import_of_a_kind", "broken_import_of_a_kind", "imported_by_a_kind")
    loop = WorkerLoop(file_store, "w", {"measure": replace(work.KINDS["measure"], modules=modules)})

    def step() -> bool:
        assert "imported_by_a_kind" in sys.modules
        raise Terminated

    monkeypatch.setattr(loop, "step", step)
    with pytest.raises(Terminated):
        loop.forever()


def test_a_store_in_memory_cannot_be_supervised() -> None:
    with pytest.raises(OptLabError, match="cannot be shared"):
        Supervisor(Store("sqlite://"))


@pytest.mark.parametrize("asked", ["0", "-1", "many", "33"])
def test_a_wrong_number_of_workers_is_refused(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    monkeypatch.setenv("OPTLAB_WORKERS", asked)
    with pytest.raises(OptLabError, match="from 1 to 32"):
        default_workers()
