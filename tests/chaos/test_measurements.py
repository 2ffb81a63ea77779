"""Workers that measure nano are killed at moments drawn by chance; every run is tried again, and its answer is the one
that nobody disturbed, to the last bit: figures, layers, and the packed file.

`OPTLAB_CHAOS=100` kills thirty (`make chaos` does).
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from optlab import cache
from optlab.jobs.measure import MEASURE
from optlab.jobs.resolution import settled
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.results.measurement import MeasureSpec
from optlab.store.run import Run
from optlab.store.store import Store
from optlab.workers.supervisor import Supervisor
from tests.chaos.answers import answer
from tests.chaos.size import size

KILLS = size(1, 30)
PATIENCE_S = 180.0
PROTOCOL = Protocol(tokens=1024, calibration_tokens=512, context=256, latency=False, dtype="float32")
RECIPES = [
    [{"quantize": {"method": "gptq", "bits": 3, "group_size": 64}}],
    [{"prune": {"method": "wanda", "sparsity": 0.5}}, {"quantize": {"method": "rtn", "bits": 4, "group_size": 64}}],
]


@pytest.fixture
def working(file_store: Store) -> Iterator[Store]:
    supervisor = Supervisor(file_store, 2).start()
    yield file_store
    supervisor.stop()


def submit(store: Store, steps: object, name: str) -> Run:
    spec = MeasureSpec(model="nano", recipe=Recipe.from_dict({"steps": steps}), protocol=settled("nano", PROTOCOL))
    return store.submit(MEASURE.name, spec, name, name)


def ended(store: Store, run: Run, done: Callable[[Run], bool] = lambda run: not run.live) -> Run:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        now = store.get(run.id)
        assert now is not None
        if done(now):
            return now
        time.sleep(0.02)
    raise AssertionError(f"run {run.id} does not end")


def test_a_killed_measurement_ends_as_if_nobody_had_killed_it(
    working: Store, record_property: Callable[[str, object], None]
) -> None:
    truths, seconds = [], []
    for number, steps in enumerate(RECIPES[:KILLS]):
        run = ended(working, submit(working, steps, f"undisturbed-{number}"))
        truths.append(answer(run))
        seconds.append(run.elapsed() or 0.0)
        working.delete(run.id)
    assert None not in truths
    chance = random.Random(22)
    killed, lost = 0, []
    for number in range(KILLS):
        which = number % len(truths)
        if chance.random() < 0.5:
            cache.clear(("calibration",))
        run = submit(working, RECIPES[which], f"chaos-{number}")
        run = ended(working, run, lambda now: now.worker is not None or not now.live)
        time.sleep(chance.uniform(0.0, seconds[which]))
        with suppress(ProcessLookupError):
            os.kill(int(str(run.worker).rsplit("-", 1)[-1]), signal.SIGKILL)
            killed += 1
        run = ended(working, run)
        if answer(run) != truths[which]:
            lost.append(f"{run.title}: {run.status} {run.message} {run.error} after {run.attempts} attempts")
        working.delete(run.id)
    record_property("kills", killed)
    record_property("runs lost", len(lost))
    assert lost == []
    assert killed == KILLS
