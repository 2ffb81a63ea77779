"""Workers are killed at moments drawn by chance; no run is lost, and each answers what it would have answered.

`OPTLAB_CHAOS=100` kills seventy (`make chaos` does); thirty more are in `test_measurements`.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from optlab.store.store import Store
from optlab.workers.supervisor import Supervisor
from tests.chaos.size import size
from tests.workers import work

KILLS = size(9, 70)
WORKERS = 2
PATIENCE_S = 60.0


def test_no_run_is_lost_when_workers_are_killed(
    file_store: Store, record_property: Callable[[str, object], None]
) -> None:
    """One kill for each run, from before it is claimed until after it has ended."""
    chance = random.Random(22)
    supervisor = Supervisor(file_store, WORKERS, "tests.workers.work:KINDS").start()
    killed, lost = 0, []
    try:
        for number in range(KILLS):
            name = f"chaos-{number}"
            run = file_store.submit(
                "measure", {"do": "add_slowly", "name": name, "a": number, "b": 1}, name, name
            )  # fmt: skip
            time.sleep(chance.uniform(0.0, 0.5))
            now = file_store.get(run.id)
            holder = str(now.worker).rsplit("-", 1)[-1] if now is not None and now.live and now.worker else ""
            pids = [int(holder)] if holder.isdigit() else [worker.pid for worker in file_store.workers()]
            for pid in chance.sample(pids, min(1, len(pids))):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
            until = time.monotonic() + PATIENCE_S
            while (now := file_store.get(run.id)) is not None and now.live and time.monotonic() < until:
                time.sleep(0.02)
            result = None if now is None else work.KINDS["measure"].result_of(now)
            if result is None or result.sum != number + 1:
                lost.append(run.id if now is None else f"{now.title}: {now.status} {now.message}")
    finally:
        supervisor.stop()
    record_property("kills", killed)
    record_property("runs lost", len(lost))
    assert lost == []
    assert killed >= KILLS // 2
