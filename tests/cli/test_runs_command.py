"""`optlab runs` shows and changes what the page Runs does, answers in JSON, and names what it cannot find."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from optlab import __version__
from optlab.cli.main import main
from optlab.jobs import registry
from optlab.store.run import Run, Status
from optlab.store.store import Store
from tests.workers.work import KINDS

Optlab = Callable[..., str]


@pytest.fixture
def optlab(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Optlab:
    """Runs the command line in this process; returns standard output, or standard error where it is to fail."""

    def run(*words: str, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["optlab", *words])
        assert main() == code
        said = capsys.readouterr()
        assert code == 0 or said.out == ""
        return said.err if code else said.out

    return run


def submit(store: Store, key: str, kind: str = "measure", **spec: Any) -> Run:
    return store.submit(kind, {"model": "nano", **spec}, key, f"nano: {key}", registry.KINDS[kind].priority)


def status(store: Store, run: Run) -> str:
    now = store.get(run.id)
    assert now is not None
    return now.status


def test_runs_are_listed_newest_first_and_by_kind_and_status(file_store: Store, optlab: Optlab) -> None:
    for key, kind in [("a", "measure"), ("b", "generate"), ("c", "measure")]:
        submit(file_store, key, kind)
    file_store.beat("w", 1, None)
    file_store.claim("w")

    def listed(*options: str) -> list[str]:
        return [row["title"][-1] for row in json.loads(optlab("runs", "list", *options, "--json"))]

    assert listed() == ["c", "b", "a"]
    assert listed("--kind", "measure", "--limit", "1") == ["c"]
    assert listed("--status", "running") == ["b"]
    assert listed("--status", "running", "--status", "queued") == ["c", "b", "a"]
    words = optlab("runs", "list")
    assert words.index("nano: c") < words.index("nano: a")
    assert optlab("runs", "list", "--status", "failed").strip() == "there is no such run"


def test_a_run_is_shown_with_its_spec_result_and_log(file_store: Store, optlab: Optlab) -> None:
    run = submit(file_store, "a", recipe={"steps": []})
    file_store.claim("w")
    file_store.log(run.id, "the first line")
    file_store.finish(run.id, {"answer": float("inf")})
    shown = json.loads(optlab("runs", "show", str(run.id), "--json"))
    assert (shown["id"], shown["status"], shown["result"]) == (run.id, "done", {"answer": None})
    assert shown["spec"] == {"model": "nano", "recipe": {"steps": []}}
    assert "nano: a" in optlab("runs", "show", str(run.id))
    assert [row["line"] for row in json.loads(optlab("runs", "logs", str(run.id), "--json"))] == ["the first line"]
    assert "the first line" in optlab("runs", "logs", str(run.id))


def test_runs_are_cancelled_queued_again_and_deleted(file_store: Store, optlab: Optlab) -> None:
    runs = [submit(file_store, key) for key in "abc"]
    ids = [str(run.id) for run in runs]
    changed = json.loads(optlab("runs", "cancel", ids[0], ids[1], "--json"))
    assert changed == [{"id": run.id, "status": "cancelled"} for run in runs[:2]]
    assert [status(file_store, run) for run in runs] == ["cancelled", "cancelled", "queued"]
    optlab("runs", "retry", ids[0])
    assert status(file_store, runs[0]) == Status.QUEUED
    assert json.loads(optlab("runs", "delete", *ids[:2], "--json")) == {"deleted": [runs[0].id, runs[1].id]}
    assert [run.id for run in file_store.list()] == [runs[2].id]


def test_a_run_is_tried_again_here_and_its_failure_is_the_exit_code(
    file_store: Store, optlab: Optlab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.KINDS, "measure", KINDS["measure"])
    good, bad = (
        submit(file_store, "good", name="good", do="add", a=1, b=2),
        submit(file_store, "bad", name="bad", do="refuse"),
    )
    for run in (good, bad):
        file_store.request_cancel(run.id)
    assert json.loads(optlab("runs", "retry", str(good.id), "--here", "--json")) == [{"id": good.id, "status": "done"}]
    assert KINDS["measure"].result_of(file_store.get(good.id)).sum == 3
    assert "use nano" in optlab("runs", "retry", str(bad.id), "--here", code=2)
    assert status(file_store, bad) == Status.FAILED


@pytest.mark.parametrize("command", ["show", "logs", "cancel", "retry", "delete"])
def test_a_run_that_is_not_there_is_wrong_input_and_nothing_is_changed(
    file_store: Store, optlab: Optlab, command: str
) -> None:
    run = submit(file_store, "a")
    known = [str(run.id)] if command in ("cancel", "retry", "delete") else []
    assert "there is no run 4711" in optlab("runs", command, *known, "4711", code=2)
    assert status(file_store, run) == Status.QUEUED


def test_a_running_run_is_not_deleted_nor_are_those_beside_it(file_store: Store, optlab: Optlab) -> None:
    running, waiting = submit(file_store, "a"), submit(file_store, "b")
    file_store.beat("w", 1, None)
    file_store.claim("w")
    error = optlab("runs", "delete", str(waiting.id), str(running.id), code=2)
    assert f"run {running.id} is running; cancel it" in error
    assert len(file_store.list()) == 2


def test_a_run_whose_process_was_killed_is_not_shown_as_running(
    file_store: Store, optlab: Optlab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optlab.workers.silence.SILENT_S", 0.0)
    monkeypatch.setattr("optlab.workers.silence.AGAIN_S", 0.1)
    run = submit(file_store, "a")
    file_store.claim("command-1")
    assert json.loads(optlab("runs", "show", str(run.id), "--json"))["status"] == "interrupted"


def test_the_version_is_said(optlab: Optlab) -> None:
    assert optlab("--version") == f"optlab {__version__}\n"


def test_the_old_name_of_import_works_and_is_not_advertised(file_store: Store, optlab: Optlab) -> None:
    for name in ("import", "take-in"):
        assert "cannot read missing.zip" in optlab(name, "missing.zip", code=2)
    assert "import" in optlab("--help") and "take-in" not in optlab("--help")
