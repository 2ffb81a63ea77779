"""`python -m optlab.workers.worker --id NAME`: one process that does one run at a time.

The work is done in the main thread of a process of its own, so that the pages stay quick, a crash in native code costs
one run and not the app, and a run can be stopped by ending the process. The thread of `optlab.workers.heartbeat` keeps
the store informed meanwhile. SIGTERM ends the process after marking its run interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pkgutil import resolve_name
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from optlab.errors import OptLabError
from optlab.jobs import registry
from optlab.store.store import Store
from optlab.workers.execution import execute
from optlab.workers.heartbeat import STOPPED, Heartbeat

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
            self.preload()
            while True:
                if not self.step():
                    time.sleep(IDLE_S)
        finally:
            self.heartbeat.stop()
            self.store.dismiss(self.name, STOPPED)

    def preload(self) -> None:
        """Import what the kinds of runs need (torch takes seconds), and begin to build what they need built, before the
        first run waits for it."""
        for module in dict.fromkeys(module for kind in self.kinds.values() for module in kind.modules):
            try:
                importlib.import_module(module)
            except Exception:  # whatever is wrong with it, the run that needs it will say so on its page
                log.exception("cannot import %s", module)
        for build in dict.fromkeys(build for kind in self.kinds.values() for build in kind.builds):
            threading.Thread(target=resolve_name(build), name=build, daemon=True).start()

    def step(self) -> bool:
        """Do the next run, if one waits; whether one did."""
        try:
            run = self.store.claim(self.name)
        except (SQLAlchemyError, OptLabError) as error:
            log.warning("the store did not answer: %s", error)
            return False
        if run is None:
            return False
        execute(self.store, run, self.heartbeat, self.kinds)
        return True


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
        kinds = resolve_name(options.kinds)
        WorkerLoop(Store(), f"{options.id}-{os.getpid()}", kinds, options.parent).forever()
    except (Terminated, KeyboardInterrupt):
        return 0
    except OptLabError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
