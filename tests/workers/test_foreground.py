"""A run that a terminal waits for: done here or watched there, and never left running by whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from optlab import foreground, paths
from optlab.client.client import Client
from optlab.errors import Cancelled, MeasurementError, ModelError
from optlab.store.run import Run, Status, UnknownRunError
from optlab.store.store import Store
from optlab.workers import silence
from optlab.workers.silence import Silence
from tests.workers.work import KINDS, Done, Task

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
from optlab import foreground
from optlab.client.client import Client
from optlab.store.store import Store
from tests.workers.work import KINDS
client = Client(Store())
try:
    shown = lambda *report: print("shown", flush=True)
    foreground.complete(client, client.run(int(sys.argv[1])), shown, KINDS)
except KeyboardInterrupt:
    sys.exit(130)
"""


def submit(store: Store, do: str, **spec: Any) -> Run:
    return store.submit("measure", Task(do=do, name=do, **spec), do, do)


def complete(store: Store, run: Run, shown: Callable[..., None] = lambda *report: None) -> Run:
    return foreground.complete(Client(store), run, shown, KINDS)


def begun() -> bool:
    return (paths.home() / "executed").exists()


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_a_waiting_run_is_done_here_and_leaves_its_result_log_and_progress(store: Store) -> None:
    seen: list[tuple[float, str]] = []
    run = submit(store, "add", a=1, b=2)
    done = complete(store, run, lambda fraction, message, partial=None: seen.append((fraction, message)))
    assert KINDS["measure"].result_of(done) == Done(sum=3, pid=os.getpid())
    assert done == store.get(run.id) and done.worker == f"command-{os.getpid()}"
    assert [line for _, line in store.logs(run.id)][1] == "adding"
    assert (1.0, "step 100") in seen
    assert store.workers() == []
    assert threading.active_count() == 1 or not any(one.name == "heartbeat" for one in threading.enumerate())


def test_what_is_done_is_not_done_again(store: Store) -> None:
    run = complete(store, submit(store, "add", a=1, b=2))
    assert complete(store, submit(store, "add", a=1, b=2)) == run
    assert (paths.home() / "executed").read_text().split() == ["add"]


def test_a_failure_is_raised_as_it_was_and_its_sentence_is_stored(store: Store) -> None:
    run = submit(store, "refuse")
    with pytest.raises(ModelError, match="use nano"):
        complete(store, run)
    after = store.get(run.id)
    assert after is not None
    assert (after.status, after.error) == (Status.FAILED, "there is no model 'x'; use nano")


def test_a_run_that_a_worker_has_is_watched(store: Store) -> None:
    run = submit(store, "add", a=1, b=2)
    store.beat("other", 1, run.id)
    assert store.claim("other") is not None
    seen: list[str] = []

    def shown(fraction: float, message: str, partial: Any = None) -> None:
        seen.append(message)
        store.finish(run.id, {"sum": 3}, "other")

    assert KINDS[run.kind].result_of(complete(store, run, shown)).sum == 3
    assert "other" in seen[0] and not begun()


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (lambda store, id: store.fail(id, "no such luck"), MeasurementError),
        (lambda store, id: store.mark_cancelled(id), Cancelled),
        (lambda store, id: store.interrupt(id), MeasurementError),
        (lambda store, id: (store.interrupt(id), store.delete(id)), UnknownRunError),
    ],
)
def test_how_a_watched_run_ended_badly_is_said(
    store: Store, end: Callable[[Store, int], object], error: type[Exception]
) -> None:
    run = submit(store, "add")
    store.beat("other", 1, run.id)
    store.claim("other")
    with pytest.raises(error):
        complete(store, run, lambda *report: end(store, run.id))
    assert not begun()


def test_a_watched_run_whose_process_was_killed_is_done_here(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "SILENT_S", 0.0)
    monkeypatch.setattr(silence, "AGAIN_S", 0.1)
    run = submit(store, "add")
    store.claim("gone")
    assert complete(store, run).done
    assert begun()


def test_a_page_can_cancel_a_run_that_is_done_here(file_store: Store) -> None:
    run = submit(file_store, "report_until_stopped")

    def cancel() -> None:
        until(begun)
        file_store.request_cancel(run.id)

    asking = threading.Thread(target=cancel)
    asking.start()
    with pytest.raises(Cancelled):
        complete(file_store, run)
    asking.join()
    assert file_store.get(run.id).status == Status.CANCELLED  # type: ignore[union-attr]


def process(run: Run) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(run.id)], cwd=ROOT, stdout=subprocess.PIPE)


@pytest.mark.parametrize("do", ["report_until_stopped", "never_report"])
def test_ctrl_c_cancels_what_is_done_here(file_store: Store, do: str) -> None:
    run = submit(file_store, do)
    command = process(run)
    until(begun)
    command.send_signal(signal.SIGINT)
    command.communicate(timeout=30)
    assert command.returncode == 130
    after = file_store.get(run.id)
    assert after is not None and after.status == Status.CANCELLED
    assert file_store.workers() == []


def test_ctrl_c_leaves_a_watched_run_to_its_worker(file_store: Store) -> None:
    run = submit(file_store, "add")
    file_store.claim("other")  # started just now, so nobody thinks that it is lost
    command = process(run)
    assert command.stdout is not None
    assert command.stdout.readline() == b"shown\n"
    file_store.beat("other", 1, run.id)
    command.send_signal(signal.SIGINT)
    command.communicate(timeout=30)
    assert command.returncode == 130
    assert file_store.get(run.id).status == Status.RUNNING  # type: ignore[union-attr]


def test_a_process_that_was_killed_leaves_a_run_that_the_next_look_interrupts(
    file_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = submit(file_store, "report_until_stopped")
    command = process(run)
    until(begun)
    command.kill()
    command.communicate()
    assert file_store.get(run.id).status == Status.RUNNING  # type: ignore[union-attr]
    monkeypatch.setattr(silence, "SILENT_S", 0.0)
    monkeypatch.setattr(silence, "AGAIN_S", 0.1)
    Silence(file_store).settle()
    assert file_store.get(run.id).status == Status.INTERRUPTED  # type: ignore[union-attr]
