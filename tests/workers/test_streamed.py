"""A worker measures block by block what a command line measures so.

Its progress rises, a cancel is heard in the middle, and the figures are the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from optlab import foreground
from optlab.client.client import Client
from optlab.forecast.choice import VARIABLE
from optlab.jobs.measure import MEASURE
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step
from optlab.store.run import Run, Status
from optlab.store.store import Store
from optlab.workers.supervisor import Supervisor
from tests.compressing import calibration_file
from tests.tiny import tiny_model_folder

GPTQ = Recipe.of(Step("quantize", "gptq", {"bits": 3, "group_size": 16}))


@pytest.fixture
def worker(file_store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv(VARIABLE, "always")
    supervisor = Supervisor(file_store, 1).start()
    yield Client(file_store)
    supervisor.stop()


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(tiny_model_folder("llama", tmp_path / "llama", num_hidden_layers=12))


@pytest.fixture
def protocol(tmp_path: Path) -> Protocol:
    text = tmp_path / "evaluation.txt"
    text.write_text(Path(calibration_file(tmp_path)).read_text().upper())
    return Protocol(text=str(text), calibration=calibration_file(tmp_path), calibration_tokens=512, context=32,
                    tokens=1024, dtype="float32", device="cpu", latency=False)  # fmt: skip


def wait(client: Client, run: Run, condition: Callable[[Run], Any], seen: list[float] | None = None) -> Run:
    """The run as it is once `condition` is true of it; seen: takes its progress meanwhile."""
    deadline = time.monotonic() + 300.0
    while True:
        now = client.run(run.id)
        assert now is not None and time.monotonic() < deadline, now
        if seen is not None:
            seen.append(now.progress)
        if condition(now):
            return now
        time.sleep(0.02)


@pytest.mark.slow
def test_a_pass_of_a_worker_is_cancelled_in_its_middle_goes_on_and_finds_the_same(
    worker: Client, model: str, protocol: Protocol
) -> None:
    wait(worker, worker.submit_prepare(model), lambda run: run.done)
    run = worker.submit_measure(model, GPTQ, protocol)
    wait(worker, run, lambda now: "block" in now.message or now.done)
    worker.cancel(run.id)
    stopped = wait(worker, run, lambda now: not now.live)
    assert stopped.status in (Status.CANCELLED, Status.DONE)
    seen: list[float] = []
    again = worker.retry(run.id) if stopped.status == Status.CANCELLED else stopped
    done = wait(worker, again, lambda now: not now.live, seen)
    assert done.done, done.error
    assert seen == sorted(seen)
    found = MEASURE.result_of(done)
    here = MEASURE.result_of(foreground.measure(worker, model, GPTQ, protocol, again=True))
    assert found is not None and here is not None
    assert found.compressed.ppl == pytest.approx(here.compressed.ppl, rel=1e-6)
    assert found.delta.kl_mean == pytest.approx(here.delta.kl_mean, rel=1e-6)
    assert any("block by block" in note for note in found.notes)
