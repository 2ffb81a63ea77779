"""`python -m optlab.workers.worker --id NAME`: one process that does one run at a time.

The work is done in the main thread of a process of its own, so that the pages stay quick, a crash in native code costs
one run and not the app, and a run can be stopped by ending the process. The thread of `optlab.workers.heartbeat` keeps
the store informed meanwhile. SIGTERM ends the process after marking its run interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from optlab.errors import Cancelled, OptLabError
from optlab.jobs import registry
from optlab.jobs.kind import Readable
from optlab.machine.locks import compute_lock
from optlab.store.store import Run, Store
from optlab.workers import failures
from optlab.workers.heartbeat import STOPPED, Heartbeat, RunProgress

IDLE_S = 0.2

log = logging.getLogger("optlab.worker")


class Terminated(BaseException):
    """SIGTERM arrived. Not an Exception, so that no executor takes it for a failure of its own."""


class WorkerLoop:
    """Claims runs from `store` and does them, one after the other."""

    def __init__(self, store: Store, name: str, kinds: registry.Kinds, parent: int | None = None) -> None:
        self.store, self.name, self.kinds = store, name, kinds
        self.heartbeat = Heartbeat(store, name, parent)

    def forever(self) -> None:
        """Work until SIGTERM."""
        self.heartbeat.beat()
        self.heartbeat.start()
        try:
            while True:
                if not self.step():
                    time.sleep(IDLE_S)
        finally:
            self.store.dismiss(self.name, STOPPED)

    def step(self) -> bool:
        """Do the next run, if one waits; whether one did."""
        try:
            run = self.store.claim(self.name)
        except SQLAlchemyError:
            log.exception("the store did not answer")
            return False
        if run is None:
            return False
        self.execute(run)
        return True

    def execute(self, run: Run) -> None:
        """Do `run` and store how it ended.

        When even that cannot be stored the exception ends the process: the supervisor, or the silence, will tell.
        """
        run_progress = self.heartbeat.start_run(run)
        try:
            result = self._result(run, run_progress)
        except Cancelled:
            self.heartbeat.end_run()
            self.store.mark_cancelled(run.id, self.name)
        except Exception as error:
            self.heartbeat.end_run()
            self._fail(run, error)
        else:
            self.heartbeat.end_run()
            self._finish(run, result)

    def _result(self, run: Run, run_progress: RunProgress) -> Readable:
        kind = registry.kind_of(run.kind, self.kinds)
        self.store.log(run.id, f"attempt {run.attempts} by {self.name} (process {os.getpid()})")
        with compute_lock(exclusive=False, waiting=run_progress.wait):
            return kind.execute(kind.spec_of(run), run_progress, lambda line: self.store.log(run.id, line))

    def _finish(self, run: Run, result: Readable) -> None:
        try:
            self.store.finish(run.id, result, self.name)
        except (OptLabError, TypeError, ValueError, SQLAlchemyError) as error:
            self._fail(run, error)

    def _fail(self, run: Run, error: Exception) -> None:
        if not isinstance(error, OptLabError):
            log.error("run %d failed", run.id, exc_info=error)
            with contextlib.suppress(SQLAlchemyError):
                for line in "".join(traceback.format_exception(error)).splitlines():
                    self.store.log(run.id, line)
        self.store.fail(run.id, failures.sentence(error), self.name)


def terminate(number: int, frame: Any) -> None:
    """Signal handler: leave whatever is being done."""
    raise Terminated


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a worker until it is told to stop; the store is that of OPTLAB_STORE, or of the cache folder."""
    parser = argparse.ArgumentParser(prog="python -m optlab.workers.worker", description=__doc__.split("\n\n")[0])
    parser.add_argument("--id", required=True, help="name in the list of workers; the process id is appended")
    parser.add_argument("--parent", type=int, help="end when this process is gone")
    parser.add_argument("--kinds", default="optlab.jobs.registry:KINDS", help="module:table of kinds of runs")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    signal.signal(signal.SIGTERM, terminate)
    try:
        kinds = registry.find(options.kinds)
        WorkerLoop(Store(), f"{options.id}-{os.getpid()}", kinds, options.parent).forever()
    except (Terminated, KeyboardInterrupt):
        return 0
    except OptLabError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
