"""Whose turn it is to compute: quality runs share the machine, a latency measurement has it alone.

Two jobs with two threads each on two cores spin against each other: a window of 512 tokens took 11.2 s instead of the
2.0 s that it takes with one thread each. So every process that computes (workers and command line alike) holds a
lock, shared by those who can live with neighbours and exclusive for those who time something, and divides the cores by
the number of its neighbours.

The locks are `flock`s on files in the cache folder: the kernel releases them however a process ends, SIGKILL included.
Three kinds of file:

- `turnstile` is passed one at a time by everyone on the way in. A waiting exclusive stays in it, so that nobody new
  gets past and it cannot starve.
- `machine` is the lock itself, shared or exclusive.
- `slot-N`: each shared holder keeps one, so that they can be counted.

Shared holders call `breathe()` between small pieces of work (the worker's progress does): when someone stands in the
turnstile they step aside and queue up behind.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from optlab import paths
from optlab.errors import OptLabError
from optlab.machine.processor import cores

try:
    import fcntl
except ImportError:  # what else Windows lacks: SIGTERM that can be caught, parents that orphans can tell, getrusage
    raise OptLabError("OptLab runs on Linux and macOS; on Windows, use it inside WSL") from None

SLOTS = 64
POLL_S = 0.01
RECOUNT_S = 0.5

Waiting = Callable[[], None]


def nothing() -> None:
    """What a caller does while it waits, unless told otherwise."""


@dataclass
class Held(threading.local):
    """What this thread holds now. A file descriptor, or None."""

    machine: int | None = None
    slot: int | None = None
    exclusive: bool = False
    counted: float = 0.0


held = Held()


@contextmanager
def compute_lock(exclusive: bool = False, waiting: Waiting = nothing) -> Iterator[None]:
    """Hold the machine inside the block, shared with other computations or alone.

    Blocks nest: an exclusive block inside a shared one gives the shared lock back while it lasts; a shared block
    inside any other changes nothing. waiting: called every few milliseconds while it is not our turn; what it raises
    ends the wait (a cancel). The block runs with as many torch threads as its share of the cores, if torch is loaded.
    """
    if held.machine is not None and (held.exclusive or not exclusive):
        yield
        return
    resume = held.machine is not None
    _release()
    _acquire(exclusive, waiting)
    try:
        yield
    finally:
        _release()
        if resume:
            _acquire(False, waiting)


def breathe(waiting: Waiting = nothing) -> None:
    """Let those who wait go first. Call between small pieces of work; costs microseconds when nobody waits."""
    if held.machine is None or held.exclusive:
        return
    if _refused("turnstile", fcntl.LOCK_SH):  # someone stands in it, alone
        _release()
        _acquire(False, waiting)
    elif time.monotonic() - held.counted > RECOUNT_S:
        _share_cores()


def active() -> int:
    """How many shared holders there are on this machine now, this thread included."""
    count = 0
    for number in range(SLOTS):
        if not _file(f"slot-{number}").exists():
            break
        # a shared probe: two processes that count at the same time must not count each other
        count += _refused(f"slot-{number}", fcntl.LOCK_SH)
    return count


def computing() -> bool:
    """Whether a process of this machine computes now, shared or alone, this one included."""
    return _refused("machine", fcntl.LOCK_EX)


def take(name: str) -> int | None:
    """Take the lock file `name` for this process alone, without waiting; None when another process has it.

    Returns a file descriptor; closing it, or the end of the process, gives the lock back.
    """
    descriptor = _open(_file(name))
    if _try(descriptor, fcntl.LOCK_EX):
        return descriptor
    os.close(descriptor)
    return None


def threads_for(active: int) -> int:
    """Threads for each of `active` computations, so that together they use the cores and no more."""
    return max(cores() // max(active, 1), 1)


def _acquire(exclusive: bool, waiting: Waiting) -> None:
    turnstile = _open(_file("turnstile"))
    machine = _open(_file("machine"))
    try:
        _wait(turnstile, fcntl.LOCK_EX, waiting)
        _wait(machine, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH, waiting)
        if not exclusive:
            held.slot = _take_slot()
    except BaseException:
        os.close(machine)
        raise
    finally:
        os.close(turnstile)
    held.machine, held.exclusive = machine, exclusive
    _share_cores()


def _release() -> None:
    for descriptor in (held.slot, held.machine):
        if descriptor is not None:
            os.close(descriptor)
    held.slot = held.machine = None
    held.exclusive = False


def _share_cores() -> None:
    held.counted = time.monotonic()
    torch = sys.modules.get("torch")
    if torch is None:  # nothing to tell; importing it here would slow down those who never need it
        return
    threads = threads_for(1 if held.exclusive else active())
    if threads != torch.get_num_threads():
        torch.set_num_threads(threads)


def _refused(name: str, operation: int) -> bool:
    """Whether another process holds lock file `name` in a way that `operation` cannot join."""
    descriptor = _open(_file(name))
    try:
        return not _try(descriptor, operation)
    finally:
        os.close(descriptor)


def _take_slot() -> int | None:
    taken = (take(f"slot-{number}") for number in range(SLOTS))
    return next((descriptor for descriptor in taken if descriptor is not None), None)


def _wait(descriptor: int, operation: int, waiting: Waiting) -> None:
    while not _try(descriptor, operation):
        waiting()
        time.sleep(POLL_S)


def _try(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _file(name: str) -> Path:
    return paths.folder("locks") / name
