"""Is the time left that a page shows true? Twenty runs of mixed kinds, each asked again and again how much longer.

    python -m benchmarks.time_left [--models nano smollm2-135m] [--runs 20]

The runs are done by a worker of a fresh home, one after the other, as a page asks for them: rounding, calibrated
methods, pruning, training, with and without latency, other amounts of text, and kinds of runs that know no phases.
While one goes on, what the store says of it is noted. From a tenth of its time on until a second before its end, what
was announced should be within a factor of 1.5 of what it really still took, and never grow by more than a tenth.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.protocol import machine
from optlab.client.client import Client
from optlab.i18n import said
from optlab.jobs import durations
from optlab.jobs.measure import MEASURE
from optlab.jobs.measure_plan import expectation
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.store.run import Run
from optlab.store.store import Store
from optlab.workers.supervisor import Supervisor

FACTOR = 1.5
POLL_S = 0.2
LAST_S = 1.0

Ask = Callable[[Client, str], Run]


@dataclass(frozen=True)
class Watched:
    """One run as it was watched. announced: (share of its time, seconds that were announced, seconds it still took).
    expected: on the button before, None where the button said nothing. grew: the largest factor by which what was
    announced grew above anything announced before."""

    title: str
    seconds: float
    expected: float | None
    announced: tuple[tuple[float, float, float], ...]
    reports: int
    grew: float

    @property
    def factors(self) -> list[float]:
        """How far off each announcement was, from a tenth on: 1 is exact."""
        return [max(said / real, real / max(said, 1e-9)) for share, said, real in self.announced if share >= 0.1]


def measured(*steps: dict[str, Any], **settings: Any) -> Ask:
    """A measurement of a recipe."""
    recipe = Recipe.from_dict({"steps": list(steps)})
    return lambda client, model: client.submit_measure(model, recipe, Protocol(**settings))


def rounded(bits: int) -> dict[str, Any]:
    return {"quantize": {"method": "rtn", "bits": bits, "group_size": 64}}


SPARSE = {"prune": {"method": "magnitude", "sparsity": 0.5}}
ASKED: tuple[Ask, ...] = (
    measured(rounded(4)), measured(rounded(5)), measured(rounded(3), tokens=4096), measured(SPARSE, latency=False),
    measured({"quantize": {"method": "gptq", "bits": 4, "group_size": 64}}, calibration_tokens=2048),
    measured({"quantize": {"method": "gptq", "bits": 3, "group_size": 64}}, calibration_tokens=2048),
    measured(SPARSE, rounded(8)), measured({"prune": {"method": "wanda", "sparsity": 0.5}}, calibration_tokens=2048),
    measured({"distill": {"steps": 20, "batch": 2, "window": 128}}, latency=False),
    lambda client, model: client.submit_importance(model, Protocol(calibration_tokens=2048)),
)  # fmt: skip


def main() -> None:
    """Print a line for each run, and how many of all announcements were within the factor."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.time_left", description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["nano", "smollm2-135m"])
    parser.add_argument("--runs", type=int, default=20, help="stop after so many")
    asked = parser.parse_args()
    print(f"{machine()}\n", flush=True)
    with tempfile.TemporaryDirectory() as home:
        os.environ["OPTLAB_HOME"] = home
        os.environ.pop("OPTLAB_STORE", None)
        found = []
        with contextlib.suppress(KeyboardInterrupt):  # whoever stops it sees what there is
            for one in watched(asked.models, asked.runs):
                found.append(one)
                print(in_words(one), flush=True)
    factors = [factor for one in found for factor in one.factors]
    if factors:
        within = statistics.mean(factor <= FACTOR for factor in factors)
        runs = sum(all(factor <= FACTOR for factor in one.factors) for one in found)
        print(f"\n{within:.0%} of {len(factors)} announcements within {FACTOR}, and in {runs} of {len(found)} runs all")
        print(f"grew at most by {max(one.grew for one in found):.2f}; median factor {statistics.median(factors):.2f}")


def watched(models: list[str], runs: int) -> Iterator[Watched]:
    """Each run, once it is over."""
    client = Client(Store(f"sqlite:///{Path(os.environ['OPTLAB_HOME']) / 'optlab.db'}"))
    supervisor = Supervisor(client.store, workers=1).start()
    try:
        for model in models:
            follow(client, client.submit_prepare(model).id, None)
        for model, ask in [(model, ask) for model in models for ask in ASKED][:runs]:
            yield asked_for(client, model, ask)
    finally:
        supervisor.stop()


def asked_for(client: Client, model: str, ask: Ask) -> Watched:
    """Submit a run and watch it."""
    run, expected = ask(client, model), None
    description = client.description(model)
    if run.kind == MEASURE.name and description is not None:
        spec = MEASURE.spec_of(run)
        expected = expectation(spec.known_recipe, spec.protocol, description, durations.load()).seconds
    return follow(client, run.id, expected)


def follow(client: Client, id: int, expected: float | None) -> Watched:
    """Watch a run to its end. Raises RuntimeError when it does not end well."""
    seen: list[tuple[float, float | None]] = []
    while (run := client.run(id)) is not None and run.live:
        if run.started is not None:
            seen.append((time.time(), run.seconds_left))
        time.sleep(POLL_S)
    if run is None or not run.done:
        raise RuntimeError(f"run {id}: {run and (run.error or run.message)}")
    assert run.started is not None and run.finished is not None
    began, ended = run.started, run.finished
    announced = [(when, left) for when, left in seen if left is not None and ended - when > LAST_S]
    numbers = [left for _, left in seen if left is not None]
    least = [min(numbers[:place]) for place in range(1, len(numbers))]
    grew = max((now / max(before, 1e-9) for now, before in zip(numbers[1:], least, strict=True)), default=1.0)
    return Watched(
        said(run.title), ended - began, expected,
        tuple(((when - began) / (ended - began), left, ended - when) for when, left in announced), len(seen), grew,
    )  # fmt: skip


def in_words(one: Watched) -> str:
    factors = one.factors
    worst = f"worst {max(factors):.2f}, median {statistics.median(factors):.2f}" if factors else "nothing announced"
    before = "" if one.expected is None else f", {one.expected:.0f} s expected"
    told = f"{len(one.announced)} of {one.reports} looks told"
    return f"{one.seconds:6.1f} s{before}: {worst} ({told}, grew {one.grew:.2f})  {one.title}"


if __name__ == "__main__":
    main()
