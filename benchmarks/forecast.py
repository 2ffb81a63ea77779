"""What was foretold of a measurement beside what it took: peak memory of each phase, disk, and seconds, by shape.

    python -m benchmarks.forecast --shapes 0.1b 0.3b 0.6b 1b --methods rtn gptq --ways whole blocks

Random Llamas, each measured in a process of its own. Peaks are the kernel's (VmHWM, set back between phases). Memory
needs no quiet machine; seconds do, and mean something from the second run on, when this machine has learned its own.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import streaming
from benchmarks.streaming import peak

TOKENS = 512


def recipe_of(method: str) -> Any:
    """Four bits in groups of 64, or half of the weights gone."""
    from optlab.recipes import Recipe, Step

    if method in ("wanda", "sparsegpt", "magnitude"):
        return Recipe.of(Step("prune", method, {"sparsity": 0.5}))
    return Recipe.of(Step("quantize", method, {"bits": 4, "group_size": 64}))


def measure(folder: Path, method: str, way: str, latency: bool) -> dict[str, Any]:
    """Peaks in bytes and seconds of each phase, foretold and found."""
    from optlab.forecast.choice import VARIABLE
    from optlab.jobs import durations
    from optlab.jobs.measure import measure as measured
    from optlab.jobs.measure_plan import expectation
    from optlab.jobs.resolution import settled
    from optlab.models.describe import describe_apart
    from optlab.protocol import Protocol

    os.environ[VARIABLE] = {"whole": "never", "blocks": "always"}[way]
    protocol = settled(str(folder), Protocol(tokens=TOKENS, calibration_tokens=TOKENS, device="cpu", latency=latency))
    recipe = recipe_of(method)
    told = expectation(recipe, protocol, describe_apart(str(folder)), durations.load())
    found: dict[str, int] = {}
    _watch_phases(found) if way == "whole" else _watch_blocks(found)
    began = time.perf_counter()
    result = measured(str(folder), recipe, protocol)
    found.setdefault("end", peak())
    return {
        "told": dict(told.footprint.memory), "found": found, "told_peak": told.memory_bytes,
        "found_peak": max(found.values()), "told_s": dict(told.phases),
        "found_s": {"compress": result.seconds.compress, "quality": result.seconds.evaluate,
                    "all": time.perf_counter() - began},
    }  # fmt: skip


def _note(found: dict[str, int], phase: str) -> None:
    """The peak since the last note, which is then set back."""
    found[phase] = max(found.get(phase, 0), peak())
    Path("/proc/self/clear_refs").write_text("5")


def _watch_phases(found: dict[str, int]) -> None:
    from optlab.time_left import Phases

    inner = Phases.phase

    @contextmanager
    def phase(self: Phases, name: str) -> Iterator[Any]:
        _note(found, f"before {name}")
        with inner(self, name) as report:
            yield report
        _note(found, name)

    Phases.phase = phase  # type: ignore[method-assign]


def _watch_blocks(found: dict[str, int]) -> None:
    from optlab.streaming import run

    for name, phase in (("_begin", "embedding"), ("_compress", "blocks"), ("_quality", "head")):
        setattr(run._Pass, name, _noting(getattr(run._Pass, name), found, phase))


def _noting(inner: Any, found: dict[str, int], phase: str) -> Any:
    def noted(*args: Any, **values: Any) -> Any:
        _note(found, f"before {phase}")
        answer = inner(*args, **values)
        _note(found, phase)
        return answer

    return noted


def main() -> None:
    """One line for each phase of each run, and one for the run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", choices=streaming.SHAPES, default=["0.1b", "0.3b", "0.6b", "1b"])
    parser.add_argument("--methods", nargs="+", default=["rtn", "gptq"])
    parser.add_argument("--ways", nargs="+", choices=("whole", "blocks"), default=["whole", "blocks"])
    parser.add_argument("--latency", action="store_true", help="time both models too, where they are whole")
    parser.add_argument("--folder", type=Path, default=Path("forecast-benchmark"))
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        shape, method, way = asked.one
        print(json.dumps(measure(asked.folder / shape, method, way, asked.latency)))
        return
    for shape in asked.shapes:
        for method in asked.methods:
            for way in asked.ways:
                _print(shape, method, way, found_and_told(asked.folder, shape, method, way, asked.latency))
    shutil.rmtree(asked.folder / "home", ignore_errors=True)


def found_and_told(folder: Path, shape: str, method: str, way: str, latency: bool = False) -> dict[str, Any]:
    """`measure` in a process of its own, on a model that is built in `folder` where it is not there."""
    if not (folder / shape).is_dir():
        streaming.build(shape, folder / shape)
    command = [sys.executable, "-m", "benchmarks.forecast", "--folder", str(folder), "--one", shape, method, way]
    around = {**os.environ, "OPTLAB_HOME": str(folder / "home")}
    run = subprocess.run(
        [*command, *(["--latency"] if latency else [])], check=True, stdout=subprocess.PIPE, text=True, env=around
    )
    answer: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return answer


def _print(shape: str, method: str, way: str, one: dict[str, Any]) -> None:
    told, found = one["told_peak"], one["found_peak"]
    print(f"{shape}, {method}, {way}: told {told / 1e9:.2f} GB, found {found / 1e9:.2f} GB, {told / found - 1:+.1%}")
    for phase, size in one["found"].items():
        expected = one["told"].get(phase)
        print(f"    {phase:18} found {size / 1e9:6.3f}" + ("" if expected is None else f"  told {expected / 1e9:6.3f}"))
    told_s = "  ".join(f"{name} {seconds:.1f}" for name, seconds in one["told_s"].items())
    print(
        f"    seconds told: {told_s}; found: " + "  ".join(f"{n} {s:.1f}" for n, s in one["found_s"].items()),
        flush=True,
    )


if __name__ == "__main__":
    main()
