"""The thread beside the work: it beats, writes progress, and makes sure that a cancel works.

The working thread must not wait for a database between two windows, so its reports and the lines of its log only land
in memory; this thread writes the lines and the newest report five times a second. It also learns of a cancel, which the
next report of the working thread raises. Work that does not report (one long matrix factorization) cannot be stopped
from within Python: when a cancel stays unanswered for `PATIENCE_S` the run is marked cancelled and the process ends;
its supervisor starts another.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time

import psutil
from sqlalchemy.exc import SQLAlchemyError

from optlab.errors import Cancelled, OptLabError
from optlab.limits import Limits
from optlab.machine import locks
from optlab.messages import say
from optlab.progress import Progress, silent
from optlab.store.run import Run
from optlab.store.store import Store
from optlab.time_left import Countdown, extrapolated
from optlab.workers.run_log import RunLog
from optlab.workers.troubles import Troubles

TICK_S = 0.2
BEAT_S = 1.0
PATIENCE_S = 1.1
"""With a tick to notice, a tick to act and a transaction to write, a cancel takes less than two seconds."""
EXIT_CANCELLED = 75
STOPPED = say("the app was stopped; press retry")
WAITING = say("waiting for a latency measurement to finish")

log = logging.getLogger(__name__)

FIRST_S, FIRST_SHARE = 2.0, 0.05
"""What was never done here is extrapolated from its own beginning, once there is so much of it."""

Report = tuple[float, str, object, float | None]
"""Fraction, message, partial results, seconds left."""


class RunProgress:
    """The progress of one run: what its executor calls, what the heartbeat reads. One writer, one reader, no lock.

    log: where its lines go. shown: told of every progress as well. expected: seconds that a run like this takes, None
    where that is not known. An executor that knows its phases (`optlab.time_left.Phases`) tells the time left itself.
    """

    def __init__(self, run: Run, log: RunLog, shown: Progress = silent, expected: float | None = None) -> None:
        self.run, self.log, self.shown, self.expected = run, log, shown, expected
        self.fraction = 0.0
        self.latest: Report | None = None
        self.partial: object = None
        self.stop = threading.Event()
        self.estimate: float | None = None
        self.countdown = Countdown()
        self.began = time.monotonic()
        self.limits = Limits()

    def left(self, seconds: float) -> None:
        """The executor's own estimate, which counts from now on."""
        self.estimate = seconds

    @property
    def foretold(self) -> bool:
        """Whether the executor has told the time left itself."""
        return self.estimate is not None

    def __call__(self, fraction: float, message: str, partial: object = None) -> None:
        """Progress: note where we are, step aside for a latency measurement. Raises Cancelled to stop."""
        if partial is not None:
            self.partial = partial  # kept: a later report without one must not lose what is not yet written
        self.fraction = fraction
        estimate = self._extrapolated() if self.estimate is None else self.estimate
        left = None if estimate is None else self.countdown.shown(estimate)
        self.latest = (fraction, message, self.partial, left)
        self.shown(fraction, message, partial)
        self.check()
        locks.breathe(self.wait)

    def wait(self) -> None:
        """Called while another computation has the machine. Raises Cancelled when the run should stop."""
        self.latest = (self.fraction, WAITING, self.partial, None)
        self.shown(self.fraction, WAITING)
        self.check()

    def _extrapolated(self) -> float | None:
        elapsed = time.monotonic() - self.began
        if self.expected is not None:
            return extrapolated(self.expected, elapsed, self.fraction)
        if elapsed < FIRST_S or self.fraction < FIRST_SHARE:
            return None
        return elapsed * (1 - min(self.fraction, 1.0)) / self.fraction

    def check(self) -> None:
        """Raises Cancelled when the run should stop, LimitError when it has worked for as long as is allowed."""
        if self.stop.is_set():
            raise Cancelled("cancelled")
        self.limits.check_time(time.monotonic() - self.began)


class Heartbeat(threading.Thread):
    """Beats for the worker `name` until it is stopped or the process ends.

    parent: end when this process is no longer our parent. cancelled_code: what the process exits with when it must end
    for a cancel.
    """

    def __init__(
        self, store: Store, name: str, parent: int | None = None, cancelled_code: int = EXIT_CANCELLED
    ) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self.store, self.worker, self.parent, self.cancelled_code = store, name, parent, cancelled_code
        self.run_progress: RunProgress | None = None
        self.process = psutil.Process()
        self._beaten = 0.0
        self._noticed: float | None = None
        self._writing = threading.Lock()
        self._stopping = threading.Event()
        self._troubles = Troubles(log, "a heartbeat failed")

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.tick()
                self._troubles.over()
            except Exception as error:  # a heartbeat that stops looks like a dead worker; a full disk may pass
                self._troubles.note(error)
            self._stopping.wait(TICK_S)

    def stop(self) -> None:
        """Beat no more; returns when the last beat is over."""
        self._stopping.set()
        if self.is_alive():
            self.join()

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
        run_progress.log.flush()
        with self._writing:
            report = run_progress.latest
            if report is None:
                return
            if not self.store.report(run_progress.run.id, *report, worker=self.worker):
                run_progress.stop.set()
            if run_progress.latest is report:  # else a newer one came meanwhile, and waits for the next tick
                run_progress.latest = None

    def start_run(self, run: Run, shown: Progress = silent, expected: float | None = None) -> RunProgress:
        """From now on beat for `run`. shown: told of every progress of it. expected: see `RunProgress`."""
        self._noticed = None
        self.run_progress = RunProgress(run, RunLog(self.store, run.id), shown, expected)
        return self.run_progress

    def end_run(self) -> None:
        """The executor has returned: nobody is to be stopped any more. Writes the last report, if the store answers."""
        run_progress, self.run_progress = self.run_progress, None
        if run_progress is not None:
            with contextlib.suppress(SQLAlchemyError, OptLabError):
                self.flush(run_progress)

    def _watch_for_cancel(self, run_progress: RunProgress) -> None:
        if not run_progress.stop.is_set() and self.store.cancel_requested(run_progress.run.id):
            run_progress.stop.set()
        if not run_progress.stop.is_set():
            return
        self._noticed = self._noticed or time.monotonic()
        if time.monotonic() - self._noticed >= PATIENCE_S and self.run_progress is run_progress:
            self._end_process("cancelled", self.cancelled_code)

    def _end_process(self, reason: str, code: int) -> None:
        with contextlib.suppress(SQLAlchemyError, OptLabError):
            self.store.dismiss(self.worker, reason)
        os._exit(code)  # the working thread may be deep in native code: nothing gentler reaches it
