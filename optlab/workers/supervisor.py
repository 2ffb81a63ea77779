"""Starts the worker processes and keeps them running; the app has one, and one app per store is enough.

Torch-free: it lives in the process of the pages. Workers end by themselves when this process is gone, so an app that is
killed leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil
from sqlalchemy.exc import SQLAlchemyError

import optlab
from optlab import paths
from optlab.errors import OptLabError
from optlab.machine import locks
from optlab.machine.threads import PASSIVE
from optlab.store.run import Status, Worker
from optlab.store.schema import in_memory
from optlab.store.store import KILLED, LOST, Store
from optlab.workers.heartbeat import EXIT_CANCELLED, STOPPED
from optlab.workers.silence import SILENT_S, Silence
from optlab.workers.troubles import Troubles

TICK_S = 0.2
OVERDUE_S = 1.5
"""A worker still busy this long after a cancel is killed: it is in native code that lets no other thread run."""
STARTING_S = 30.0
"""A worker may take this long from its start to its first beat."""
AHEAD_S = 8.0
"""The first worker starts so long before the others, unless there is work for more: processes that import torch side by
side are all ready late."""
QUICK_DEATH_S = 5.0
LONGEST_WAIT_S = 30.0
LARGEST_LOG = 1 << 20
WORKER = "worker-"
"""Begins the names of workers that a supervisor started: what they were doing when they died is tried again."""
DEFAULT_WORKERS = 2
"""Two, so that a long distillation does not keep a quick look waiting."""

log = logging.getLogger(__name__)


def default_workers() -> int:
    """OPTLAB_WORKERS, else two. Raises OptLabError when it is not a number from 1 to 32."""
    asked = os.environ.get("OPTLAB_WORKERS") or str(DEFAULT_WORKERS)
    if not asked.isdecimal() or not 1 <= int(asked) <= 32:
        raise OptLabError("OPTLAB_WORKERS is {asked!r}; use a number from 1 to 32", asked=asked)
    return int(asked)


@dataclass
class Place:
    """One of the workers: its process, if it has one now, and how often in a row it died soon after its start."""

    number: int
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    quick_deaths: int = 0
    next_start: float = 0.0

    @property
    def worker_id(self) -> str:
        """The name under which its process beats (`optlab.workers.worker` appends the process id)."""
        return f"{WORKER}{self.number}-{self.process.pid if self.process else 'none'}"


class Supervisor:
    """Keeps `workers` worker processes at work on `store` from `start()` to `stop()`.

    When another process supervises the same store already, this one waits and takes over when that one ends.
    kinds: "module:table" of kinds of runs, for tests. Raises OptLabError for a store that other processes cannot open.
    """

    def __init__(self, store: Store, workers: int | None = None, kinds: str | None = None) -> None:
        if in_memory(store.url):
            raise OptLabError("a store in memory cannot be shared with workers; use a file or a database server")
        self.store = store
        self.kinds = kinds
        self.places = [Place(number + 1) for number in range(workers or default_workers())]
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._alone_until = 0.0
        self._lock: int | None = None
        self._silence = Silence(store)
        self._looked = 0.0
        self._troubles = Troubles(log, "supervision was disturbed, and goes on")

    def start(self) -> Supervisor:
        """Begin to supervise; does nothing when it has begun."""
        if self._thread is None or not self._thread.is_alive():
            self._stopping.clear()
            self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
            self._thread.start()
        return self

    def stop(self) -> None:
        """End the workers (their runs become interrupted) and stop supervising."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    @property
    def leading(self) -> bool:
        """Whether this supervisor is the one that runs the workers of its store."""
        return self._lock is not None

    def health(self) -> list[Worker]:
        """The workers of the store and their last signs of life, also those of another app."""
        return self.store.workers()

    def _watch(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    if self._lead():
                        self._tick()
                    self._troubles.over()
                except (SQLAlchemyError, OSError, OptLabError) as error:  # a busy store or a full disk may pass
                    self._troubles.note(error)
                self._stopping.wait(TICK_S)
        finally:
            self._end_all()
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def _lead(self) -> bool:
        if self._lock is None:
            self._lock = locks.take(f"supervisor-{hashlib.sha256(self.store.url.encode()).hexdigest()[:16]}")
            self._alone_until = time.monotonic() + AHEAD_S
        return self._lock is not None

    def _wanted(self, place: Place) -> bool:
        """Whether it is time for this place, and not only for those before it."""
        if place.number == 1 or time.monotonic() >= self._alone_until:
            return True
        counts = self.store.counts()
        return counts[Status.QUEUED] + counts[Status.RUNNING] >= place.number

    def _tick(self) -> None:
        for place in self.places:
            if place.process is not None and place.process.poll() is not None:
                self._bury(place, KILLED)
            if place.process is None and time.monotonic() >= place.next_start and self._wanted(place):
                place.process, place.started = self._spawn(place.number), time.monotonic()
        self._kill(self.store.ignoring_cancel(OVERDUE_S), KILLED)
        if time.monotonic() - self._looked >= 1.0:
            self._looked = time.monotonic()
            silent = self._silence.look()
            # own ones that hang would keep their memory, their place and their lock on the machine
            self._kill({*silent, *self._stopped(), *self._unborn()}, LOST)
            for name in silent:
                self.store.dismiss(name, LOST, again=name.startswith(WORKER))

    def _stopped(self) -> set[str]:
        """Own silent workers that somebody sent SIGSTOP: one may keep the store locked, so that is not waited for."""
        found = set()
        for place in self.places:
            with contextlib.suppress(psutil.Error):
                if place.process and psutil.Process(place.process.pid).status() == psutil.STATUS_STOPPED:
                    found.add(place.worker_id)
        return found & set(self.store.silent(SILENT_S)) if found else found

    def _unborn(self) -> set[str]:
        """Own workers that were started long ago and never beat, though they could have."""
        now = time.monotonic()
        started = {place.worker_id for place in self.places if place.process and now - place.started > STARTING_S}
        unborn = started - {worker.id for worker in self.store.workers()}
        return unborn if unborn and self.store.writable() else set()

    def _kill(self, names: Collection[str], reason: str) -> None:
        for place in self.places:
            if place.process is not None and place.worker_id in names:
                place.process.kill()
                place.process.wait()
                self._bury(place, reason)

    def _bury(self, place: Place, reason: str) -> None:
        assert place.process is not None
        # first: if the store does not answer, the next tick tries again
        self.store.dismiss(place.worker_id, reason, again=True)
        code = place.process.returncode
        quick = code != EXIT_CANCELLED and time.monotonic() - place.started < QUICK_DEATH_S
        place.quick_deaths = place.quick_deaths + 1 if quick else 0
        wait = min(0.5 * 2**place.quick_deaths, LONGEST_WAIT_S) if place.quick_deaths > 1 else 0.0
        place.next_start = time.monotonic() + wait
        log.warning("%s ended with %s; another starts in %.0f s", place.worker_id, code, wait)
        place.process = None

    def _spawn(self, number: int) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            "optlab.workers.worker",
            "--id",
            f"{WORKER}{number}",
            "--parent",
            str(os.getpid()),
        ]
        if self.kinds is not None:
            command += ["--kinds", self.kinds]
        root = str(Path(optlab.__file__).resolve().parent.parent)
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        # the URL may hold a password, so it travels in the environment, which other users cannot read
        environment = {**os.environ, **PASSIVE, "PYTHONPATH": path, "OPTLAB_STORE": self.store.url}
        with _log_file(number) as output:
            return subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,  # Ctrl-C in the terminal is for the app; workers follow when it is gone
            )  # fmt: skip

    def _end_all(self) -> None:
        living = [place for place in self.places if place.process is not None]
        for place in living:
            assert place.process is not None
            place.process.terminate()
        deadline = time.monotonic() + 2.0
        for place in living:
            assert place.process is not None
            try:
                place.process.wait(max(deadline - time.monotonic(), 0.05))
            except subprocess.TimeoutExpired:
                place.process.kill()
                place.process.wait()
            try:
                self.store.dismiss(place.worker_id, STOPPED)
            except (SQLAlchemyError, OptLabError):
                log.exception("the store did not answer")
            place.process = None


def _log_file(number: int) -> IO[bytes]:
    path = paths.folder("logs") / f"worker-{number}.log"
    small = path.exists() and path.stat().st_size < LARGEST_LOG
    return path.open("ab" if small else "wb")
