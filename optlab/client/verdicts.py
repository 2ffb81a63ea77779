"""What one knob really did: smaller or not, faster or not, and where; read from measurements and from nothing else.

A knob is judged by the measurement of a recipe that has this step alone, because two steps together do not say which of
them paid. Zeros weigh the same whoever chose them, so for pruning another method at the same pattern and nearly the
same share may speak, and the verdict says which did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optlab.errors import RecipeError
from optlab.recipes import Recipe, Step
from optlab.store.run import Run

NEARLY = 0.03
"""Shares of zeros that differ by no more than this speak for each other."""


@dataclass(frozen=True)
class Gain:
    """One kind of work that was faster on one machine. work: "decode" or "prefill". speedup: of decoding, as the
    measurement has it; None for a prefill, whose rounds are not paired."""

    work: str
    machine: str
    speedup: float | None = None


@dataclass(frozen=True)
class Verdict:
    """run: the measurement that speaks. size: compressed bytes over original. speedup: of decoding, with its 95 %
    interval, None when not timed; faster: whether beyond chance. gains: all that was beyond chance faster, in any
    measurement that may speak, here first."""

    run: Run
    size: float
    speedup: float | None
    speedup_ci95: tuple[float, float] | None
    faster: bool | None
    gains: tuple[Gain, ...]

    @property
    def smaller(self) -> bool:
        return self.size < 1.0


def verdict(runs: Sequence[Run], model: str, step: Step, machine: str) -> Verdict | None:
    """The verdict on `step` for `model` from finished measurements, newest first; None when none may speak.

    machine: the processor here, as a result's environment names it.
    """
    found = [(far, run) for run in runs if (far := distance(run, model, step)) is not None and run.result]
    if not found:
        return None
    here = [pair for pair in found if processor(pair[1]) == machine]
    run = min(here or found, key=lambda pair: pair[0])[1]
    gains: dict[tuple[str, str], Gain] = {}
    for _, one in sorted(found, key=lambda pair: (pair[1] is not run, pair[0])):
        for gain in _gains(one):
            gains.setdefault((gain.machine, gain.work), gain)
    result = run.result or {}
    delta = result.get("delta") or {}
    speedup, interval = delta.get("decode_speedup"), delta.get("decode_speedup_ci95")
    return Verdict(
        run,
        result["compressed"]["size_bytes"] / result["baseline"]["size_bytes"],
        speedup,
        None if interval is None else (interval[0], interval[1]),
        None if speedup is None else any(gain.work == "decode" for gain in _gains(run)),
        tuple(sorted(gains.values(), key=lambda gain: gain.machine != machine)),
    )


def distance(run: Run, model: str, step: Step) -> float | None:
    """How far the one step of a measurement lies from `step`, 0 for the same; None when it cannot speak for it."""
    if not run.done or run.spec.get("model") != model:
        return None
    try:
        steps = Recipe.from_dict(run.spec["recipe"]).steps
    except RecipeError:  # of a method that is no more
        return None
    if len(steps) != 1 or (steps[0].kind, steps[0].layers) != (step.kind, step.layers):
        return None
    (other,) = steps
    if other == step:
        return 0.0
    if step.kind != "prune" or _pattern(other) is None or _pattern(other) != _pattern(step):
        return None
    away = abs(_number(other, "sparsity") - _number(step, "sparsity"))
    return 1e-3 + away if away <= NEARLY else None


def processor(run: Run) -> str:
    """The machine that measured, '' where the result does not say."""
    return str(((run.result or {}).get("environment") or {}).get("processor") or "")


def _pattern(step: Step) -> str | None:
    """The pattern of a step whose zeros are like those of every method; None for one that also does something else."""
    if "bits" in step.values or "sparsity" not in step.values or step.values.get("scope") == "threshold":
        return None
    return str(step.values.get("pattern", "unstructured"))


def _number(step: Step, name: str) -> float:
    return float(step.values.get(name) or 0.0)


def _gains(run: Run) -> list[Gain]:
    """What was faster than the original beyond chance."""
    result: dict[str, Any] = run.result or {}
    found, where = [], processor(run)
    delta = result.get("delta") or {}
    interval = delta.get("decode_speedup_ci95")
    if interval and interval[0] > 1.0:
        found.append(Gain("decode", where, float(delta["decode_speedup"])))
    base, candidate = ((result.get("latency") or {}).get(side) or {} for side in ("base", "candidate"))
    slowest, fastest = candidate.get("prefill_tokens_per_s_p5"), base.get("prefill_tokens_per_s_p95")
    if slowest and fastest and slowest > fastest:
        found.append(Gain("prefill", where))
    return found
