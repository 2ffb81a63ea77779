"""Kinds of runs for the tests of workers, loaded by real worker processes with `--kinds tests.workers.work:KINDS`."""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path
from typing import Any

from optlab import paths
from optlab.errors import ModelError
from optlab.jobs.kind import JobKind, Log
from optlab.jobs.registry import table
from optlab.machine.locks import compute_lock
from optlab.progress import Progress
from optlab.results.document import Document
from optlab.results.specs import Spec


class Task(Spec):
    """do: name of a function below; the rest is for it."""

    model: str = "none"
    do: str
    name: str
    a: int = 0
    b: int = 0
    times: int = 0
    seconds: float = 0.0
    exclusive: bool = False


class Step(Document):
    step: int | None = None
    half: bool = False


class Done(Document):
    sum: int | None = None
    pid: int | None = None


def execute(spec: Task, progress: Progress, log: Log) -> Done:
    """Do what `spec.do` says."""
    with (paths.home() / "executed").open("a") as file:
        file.write(f"{spec.name}\n")
    return globals()[spec.do](spec, progress, log)


def build() -> None:
    """What a kind has built before its first run."""
    (paths.home() / "built").touch()


def add(spec: Task, progress: Progress, log: Log) -> Done:
    log("adding")
    for step in range(1, 101):
        progress(step / 100, f"step {step}", Step(step=step))
    return Done(sum=spec.a + spec.b, pid=os.getpid())


def add_slowly(spec: Task, progress: Progress, log: Log) -> Done:
    """`add` after a third of a second, in which a worker can be killed."""
    for step in range(1, 31):
        progress(step / 30, f"step {step}", Step(step=step))
        time.sleep(0.01)
    return add(spec, progress, log)


def report_until_stopped(spec: Task, progress: Progress, log: Log) -> Done:
    while True:
        progress(0.5, "still here", Step(half=True))
        time.sleep(0.01)


def stall_once(spec: Task, progress: Progress, log: Log) -> Done:
    """Hang in the first attempt, add in the second."""
    if (paths.home() / "executed").read_text().split().count(spec.name) > 1:
        return add(spec, progress, log)
    return report_until_stopped(spec, progress, log)


def lock_the_store_once(spec: Task, progress: Progress, log: Log) -> Done:
    """Hang while holding the write lock in the first attempt, add in the second."""
    import sqlite3

    if (paths.home() / "executed").read_text().split().count(spec.name) > 1:
        return add(spec, progress, log)
    connection = sqlite3.connect(paths.home() / "optlab.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    (paths.home() / "locked").touch()
    while True:
        time.sleep(0.1)


def add_when_told(spec: Task, progress: Progress, log: Log) -> Done:
    while not (paths.home() / "told").exists():
        time.sleep(0.01)
    for number in range(300):
        log(f"line {number}")
    (paths.home() / "finished").touch()
    return Done(sum=spec.a + spec.b)


def never_report(spec: Task, progress: Progress, log: Log) -> Done:
    while True:
        pass


def hold_the_interpreter(spec: Task, progress: Progress, log: Log) -> Done:
    import ctypes

    ctypes.PyDLL(None).sleep(30)  # a C call that keeps the interpreter lock, as a native library may
    return Done()


def kill_itself(spec: Task, progress: Progress, log: Log) -> Done:
    os.kill(os.getpid(), signal.SIGKILL)
    return Done()


def refuse(spec: Task, progress: Progress, log: Log) -> Done:
    raise ModelError("there is no model 'x'; use nano")


def crash(spec: Task, progress: Progress, log: Log) -> Done:
    return {}["missing"]


def fill_memory(spec: Task, progress: Progress, log: Log) -> Done:
    raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")


def return_no_data(spec: Task, progress: Progress, log: Log) -> Done:
    return object()  # type: ignore[return-value]


def fill_disk(spec: Task, progress: Progress, log: Log) -> Done:
    """Write an artefact to a disk that is full, through the code that writes real ones."""
    import sys
    from types import ModuleType

    from optlab.jobs import compressed_cache
    from optlab.store import artefacts

    def save(compressed: Any, folder: Path, progress: Progress) -> int:
        (folder / "config.json").write_text("{}")
        raise OSError(errno.ENOSPC, "No space left on device", str(folder / "model.safetensors"))

    full = ModuleType("optlab.kernels.artefact")
    full.save = save  # type: ignore[attr-defined]
    sys.modules["optlab.kernels.artefact"] = full
    try:
        compressed_cache.keep(None, artefacts.folder("never"), progress)  # type: ignore[arg-type]
    finally:
        del sys.modules["optlab.kernels.artefact"]
    return Done()


def trace(spec: Task, progress: Progress, log: Log) -> Done:
    """Note when work begins and ends, `times` times, alone when `exclusive`."""
    path = paths.home() / "trace"
    for number in range(spec.times):
        progress(number / spec.times, "tracing")
        with compute_lock(exclusive=spec.exclusive), path.open("a", buffering=1) as file:
            file.write(f"{spec.name} +\n")
            time.sleep(spec.seconds)
            file.write(f"{spec.name} -\n")
    return Done()


KINDS = table(
    JobKind(
        name=name, label=name, spec=Task, partial=Step, result=Done, execute=execute,
        decides=lambda spec, weights: [spec.name], title=lambda spec: spec.name,
    )
    for name in ("measure", "generate")
)  # fmt: skip
