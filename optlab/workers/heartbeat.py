"""The thread beside the work: it beats, writes progress, and makes sure that a cancel works.

The working thread must not wait for a database between two windows, so its reports only land in memory; this thread
writes the newest of them five times a second. It also learns of a cancel, which the next report of the working thread
raises. Work that does not report (one long matrix factorization) cannot be stopped from within Python: when a cancel
stays unanswered for `PATIENCE_S` the run is marked cancelled and the process ends; its supervisor starts another.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time

import psutil
from sqlalchemy.exc import SQLAlchemyError

from optlab.errors import Cancelled
from optlab.machine import locks
from optlab.store.store import Run, Store

TICK_S = 0.2
BEAT_S = 1.0
PATIENCE_S = 1.1
"""With a tick to notice, a tick to act and a transaction to write, a cancel takes less than two seconds."""
EXIT_CANCELLED = 75
STOPPED = "the app was stopped; press retry"
WAITING = "waiting for a latency measurement to finish"

log = logging.getLogger(__name__)

Report = tuple[float, str, object]


class RunProgress:
    """The progress of one run: what its executor calls, what the heartbeat reads. One writer, one reader, no lock."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.fraction = 0.0
        self.latest: Report | None = None
        self.partial: object = None
        self.stop = threading.Event()

    def __call__(self, fraction: float, message: str, partial: object = None) -> None:
        """Progress: note where we are, step aside for a latency measurement. Raises Cancelled to stop."""
        if partial is not None:
            self.partial = partial  # kept: a later report without one must not lose what is not yet written
        self.fraction = fraction
        self.latest = (fraction, message, self.partial)
        self.check()
        locks.breathe(self.wait)

    def wait(self) -> None:
        """Called while another computation has the machine. Raises Cancelled when the run should stop."""
        self.latest = (self.fraction, WAITING, self.partial)
        self.check()

    def check(self) -> None:
        """Raises Cancelled when the run should stop."""
        if self.stop.is_set():
            raise Cancelled("cancelled")


class Heartbeat(threading.Thread):
    """Beats for the worker `name` until the process ends. parent: end when this process is no longer our parent."""

    def __init__(self, store: Store, name: str, parent: int | None = None) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self.store, self.worker, self.parent = store, name, parent
        self.run_progress: RunProgress | None = None
        self.process = psutil.Process()
        self._beaten = 0.0
        self._noticed: float | None = None
        self._writing = threading.Lock()

    def run(self) -> None:
        while True:
            try:
                self.tick()
            except Exception:  # a heartbeat that stops looks like a dead worker; a full disk may pass by the next tick
                log.exception("a heartbeat failed")
            time.sleep(TICK_S)

    def tick(self) -> None:
        """Everything that is due now."""
        if self.parent is not None and os.getppid() != self.parent:
            self._end_process(STOPPED, 0)
        run_progress = self.run_progress
        if time.monotonic() - self._beaten >= BEAT_S:
            self._beaten = time.monotonic()
            self.beat()
        if run_progress is not None:
            self.flush(run_progress)
            self._watch_for_cancel(run_progress)

    def beat(self) -> None:
        """Tell the store that this process lives, what it does and what it uses."""
        run_id = self.run_progress.run.id if self.run_progress else None
        rss, cpu = self.process.memory_info().rss, self.process.cpu_percent()
        self.store.beat(self.worker, os.getpid(), run_id, rss, cpu)

    def flush(self, run_progress: RunProgress) -> None:
        """Write the newest report, if it is not yet written; stop the work when the run is no longer ours."""
        with self._writing:
            report, run_progress.latest = run_progress.latest, None
            if report is not None and not self.store.report(run_progress.run.id, *report, worker=self.worker):
                run_progress.stop.set()

    def start_run(self, run: Run) -> RunProgress:
        """From now on beat for `run`."""
        self._noticed = None
        self.run_progress = RunProgress(run)
        return self.run_progress

    def end_run(self) -> None:
        """The executor has returned: nobody is to be stopped any more. Writes the last report."""
        run_progress, self.run_progress = self.run_progress, None
        if run_progress is not None:
            self.flush(run_progress)

    def _watch_for_cancel(self, run_progress: RunProgress) -> None:
        if not run_progress.stop.is_set() and self.store.cancel_requested(run_progress.run.id):
            run_progress.stop.set()
        if not run_progress.stop.is_set():
            return
        self._noticed = self._noticed or time.monotonic()
        if time.monotonic() - self._noticed >= PATIENCE_S and self.run_progress is run_progress:
            self._end_process("cancelled", EXIT_CANCELLED)

    def _end_process(self, reason: str, code: int) -> None:
        with contextlib.suppress(SQLAlchemyError):
            self.store.dismiss(self.worker, reason)
        os._exit(code)  # the working thread may be deep in native code: nothing gentler reaches it
