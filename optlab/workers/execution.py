"""One claimed run, done in this process: what worker processes and the command line have in common.

What took an hour to compute must not be lost because the store is locked, or its disk full, at the moment when it is
done: how a run ended is written again and again for `PATIENCE_S`, while the heartbeat goes on.
"""

from __future__ import annotations

import logging
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from optlab import cache
from optlab.errors import Cancelled, OptLabError
from optlab.jobs import durations, registry
from optlab.jobs.durations import Work
from optlab.jobs.kind import Readable
from optlab.jobs.resolution import digest
from optlab.limits import Limits
from optlab.machine.locks import compute_lock
from optlab.messages import encoded
from optlab.progress import Progress, silent
from optlab.store.run import Run
from optlab.store.store import Store
from optlab.workers import failures
from optlab.workers.heartbeat import Heartbeat, RunProgress

PATIENCE_S = 600.0
AGAIN_S = 0.5

log = logging.getLogger("optlab.worker")


@dataclass(frozen=True)
class Outcome:
    """How a run ended; the store knows it too. error: what the executor raised, None when the run is done."""

    error: Exception | None = None


def execute(store: Store, run: Run, heartbeat: Heartbeat, kinds: registry.Kinds, shown: Progress = silent) -> Outcome:
    """Do `run`, which `heartbeat`'s worker has claimed, and store how it ended. shown: told of every progress too.

    Whatever this raises could not be stored, or is none of an executor's business (Ctrl-C, a signal).
    """
    whole = whole_run(run, kinds)
    progress = heartbeat.start_run(run, shown, durations.load().expected(whole))
    try:
        result = _result(run, heartbeat.worker, kinds, progress)
    except Cancelled as error:
        heartbeat.end_run()
        _written(lambda: store.mark_cancelled(run.id, heartbeat.worker), progress)
        return Outcome(error)
    except Exception as error:
        heartbeat.end_run()
        _fail(store, run, heartbeat.worker, error, progress)
        return Outcome(error)
    heartbeat.end_run()
    if not progress.foretold:
        durations.learn([(whole, time.monotonic() - progress.began)])
    try:
        _written(lambda: store.finish(run.id, result, heartbeat.worker), progress)
    except (OptLabError, TypeError, ValueError, SQLAlchemyError) as error:
        _fail(store, run, heartbeat.worker, error, progress)
        return Outcome(error)
    return Outcome()


def whole_run(run: Run, kinds: registry.Kinds) -> Work:
    """A run as one piece of work whose duration can be learned: of its kind and model, and of the very same title."""
    key = durations.whole_key(run.kind, registry.model_of(run, kinds) or "")
    return Work(key, digest(encoded(run.title))[:16], amount=1.0)


def _result(run: Run, worker: str, kinds: registry.Kinds, progress: RunProgress) -> Readable:
    kind = registry.kind_of(run.kind, kinds)
    progress.limits = Limits.of()
    progress.log(f"attempt {run.attempts} by {worker} (process {os.getpid()})")
    for gone in cache.trim():
        progress.log(f"made room: {gone.path.name} ({gone.kind}, {gone.bytes >> 20} MB) was not used for longest")
    with compute_lock(exclusive=False, waiting=progress.wait):
        return kind.execute(kind.spec_of(run), progress, progress.log)


def _fail(store: Store, run: Run, worker: str, error: Exception, progress: RunProgress) -> None:
    if not isinstance(error, OptLabError):
        log.error("run %d failed", run.id, exc_info=error)
        for line in "".join(traceback.format_exception(error)).splitlines():
            progress.log(line)
    _written(lambda: store.fail(run.id, failures.sentence(error), worker), progress)


def _written(end: Callable[[], bool], progress: RunProgress) -> None:
    """Have the store take the last lines of the log and how the run ended, sooner or later."""
    began = time.monotonic()
    progress.log.flush()
    while True:
        try:
            end()
            break
        except OperationalError as error:
            if time.monotonic() - began > PATIENCE_S:
                raise
            log.warning("run %d has ended, and the store does not take it yet: %s", progress.run.id, error.orig)
            time.sleep(AGAIN_S)
    progress.log.flush()
