"""How fast this machine multiplies, reads and writes, measured once and kept: what seconds are foretold from.

Measured anew where something else ran meanwhile, and after two weeks, because machines in clouds are not the same from
one week to the next. Only `measure` needs torch.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from optlab import files, paths
from optlab.evaluation.environment import load
from optlab.machine.identity import machine_id
from optlab.machine.processor import cores
from optlab.results.document import Document, UnreadableError
from optlab.results.fields import Number, Seconds, Truth

SIDE, TRIALS = 1024, 5
"""Of the square matrices that are multiplied: their 12 MB outgrow the caches as a layer's do."""
DISK_BYTES = 64 << 20
CHUNK = 4 << 20
KEPT_S = 14 * 86_400.0
LOADED = 0.5
"""Share of the cores that others wanted in the minute before; above it the rates are not believed for long."""
DISTURBED_S = 600.0


class Rates(Document):
    """flops: operations a second of float32 products on all cores. read, write: bytes a second of the disk that
    `OPTLAB_HOME` is on. disturbed: something else ran meanwhile. made: seconds since 1970."""

    flops: Number
    read: Number
    write: Number
    disturbed: Truth
    made: Seconds


def known() -> Rates | None:
    """What was measured on this machine; None where nothing was."""
    try:
        return Rates.from_json(_place().read_text(encoding="utf-8"))
    except (OSError, UnreadableError, UnicodeDecodeError):
        return None


def renew() -> Rates:
    """The rates of this machine, measured where they are not known or not believed any more: a second or two."""
    found = known()
    if found is not None and time.time() - found.made < (DISTURBED_S if found.disturbed else KEPT_S):
        return found
    found = measure()
    with suppress(OSError):  # a full disk costs an estimate, not the run
        files.write_text(_place(), found.to_json())
    return found


def measure() -> Rates:
    """Raises OSError where nothing can be written."""
    read, write = _disk(paths.folder("speed") / f".rates-{os.getpid()}")
    return Rates(flops=_flops(), read=read, write=write, disturbed=(load() or 0.0) > LOADED * cores(), made=time.time())


def _place() -> Path:
    return paths.folder("speed") / f"rates-{machine_id()}.json"


def _flops() -> float:
    import torch

    X, W = torch.ones(SIDE, SIDE), torch.ones(SIDE, SIDE)
    torch.mm(X, W)
    best = min(_seconds_of(lambda: torch.mm(X, W)) for _ in range(TRIALS))
    return 2 * SIDE**3 / best


def _seconds_of(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _disk(file: Path) -> tuple[float, float]:
    """Bytes a second that are read and written; the system is asked to forget what it just wrote, as files that are
    larger than memory are forgotten."""
    data = os.urandom(CHUNK)
    try:
        with file.open("wb", buffering=0) as stream:
            began = time.perf_counter()
            for _ in range(DISK_BYTES // CHUNK):
                stream.write(data)
            os.fsync(stream.fileno())
            writing = time.perf_counter() - began
        with file.open("rb", buffering=0) as stream:
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            began = time.perf_counter()
            while stream.read(CHUNK):
                pass
            reading = time.perf_counter() - began
    finally:
        file.unlink(missing_ok=True)
    return DISK_BYTES / reading, DISK_BYTES / writing
