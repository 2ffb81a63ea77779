"""Executors for the tests of workers, loaded by real worker processes with `--executors tests.workers.work:TABLE`."""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path
from typing import Any

from optlab import paths
from optlab.errors import ModelError
from optlab.jobs.registry import Log
from optlab.machine.locks import compute_lock
from optlab.progress import Progress

TABLE = {"measure": "tests.workers.work:execute", "generate": "tests.workers.work:execute"}


def execute(spec: dict[str, Any], progress: Progress, log: Log) -> dict[str, Any]:
    """Do what `spec["do"]` says."""
    with (paths.home() / "executed").open("a") as file:
        file.write(f"{spec.get('name')}\n")
    return globals()[spec["do"]](spec, progress, log)


def add(spec: dict[str, Any], progress: Progress, log: Log) -> dict[str, Any]:
    log("adding")
    for step in range(1, 101):
        progress(step / 100, f"step {step}", {"step": step})
    return {"sum": spec["a"] + spec["b"], "pid": os.getpid()}


def report_until_stopped(spec: dict[str, Any], progress: Progress, log: Log) -> dict[str, Any]:
    while True:
        progress(0.5, "still here", {"half": True})
        time.sleep(0.01)


def never_report(spec: dict[str, Any], progress: Progress, log: Log) -> dict[str, Any]:
    while True:
        pass


def hold_the_interpreter(spec: dict[str, Any], progress: Progress, log: Log) -> dict[str, Any]:
    import ctypes

    ctypes.PyDLL(None).sleep(30)  # a C call that keeps the interpreter lock, as a native library may
    return {}


def kill_itself(spec: dict[str, Any], progress: Progress, log: Log) -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def refuse(spec: dict[str, Any], progress: Progress, log: Log) -> dict[str, Any]:
    raise ModelError("there is no model 'x'; use nano")


def crash(spec: dict[str, Any], progress: Progress, log: Log) -> dict[str, Any]:
    return {"x": {}["missing"]}


def fill_memory(spec: dict[str, Any], progress: Progress, log: Log) -> dict[str, Any]:
    raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")


def return_no_data(spec: dict[str, Any], progress: Progress, log: Log) -> dict[str, Any]:
    return {"x": object()}


def fill_disk(spec: dict[str, Any], progress: Progress, log: Log) -> dict[str, Any]:
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
    return {}


def trace(spec: dict[str, Any], progress: Progress, log: Log) -> dict[str, Any]:
    """Note when work begins and ends, `times` times, alone when `exclusive`."""
    path = paths.home() / "trace"
    for number in range(spec["times"]):
        progress(number / spec["times"], "tracing")
        with compute_lock(exclusive=spec["exclusive"]), path.open("a", buffering=1) as file:
            file.write(f"{spec['name']} +\n")
            time.sleep(spec["seconds"])
            file.write(f"{spec['name']} -\n")
    return {}
