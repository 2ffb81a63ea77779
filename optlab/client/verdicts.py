"""What one knob really did: smaller or not, faster or not, and where; read from measurements and from nothing else.

A knob is judged by the measurement of a recipe that has this step alone, because two steps together do not say which of
them paid. Zeros weigh the same whoever chose them, so for pruning another method at the same pattern and nearly the
same share may speak, and the verdict says which did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optlab.jobs.measured import MeasuredRun
from optlab.recipes import Step
from optlab.results.measurement import Headline, MeasureSpec
from optlab.results.recipe import UnknownRecipe
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


def verdict(measured: Sequence[MeasuredRun], model: str, step: Step, machine: str) -> Verdict | None:
    """The verdict on `step` for `model` from finished measurements, newest first; None when none may speak.

    machine: the processor here, as a result's environment names it.
    """
    found = [(far, one) for one in measured if (far := distance(one.spec, model, step)) is not None]
    if not found:
        return None
    here = [pair for pair in found if processor(pair[1].headline) == machine]
    speaker = min(here or found, key=lambda pair: pair[0])[1]
    result = speaker.headline
    if result.size_ratio is None:
        return None
    gains: dict[tuple[str, str], Gain] = {}
    for _, one in sorted(found, key=lambda pair: (pair[1] is not speaker, pair[0])):
        for gain in _gains(one.headline):
            gains.setdefault((gain.machine, gain.work), gain)
    speedup = result.delta.decode_speedup
    return Verdict(
        speaker.run,
        result.size_ratio,
        speedup,
        result.delta.decode_speedup_ci95,
        None if speedup is None else any(gain.work == "decode" for gain in _gains(result)),
        tuple(sorted(gains.values(), key=lambda gain: gain.machine != machine)),
    )


def distance(spec: MeasureSpec, model: str, step: Step) -> float | None:
    """How far the one step of a measurement lies from `step`, 0 for the same; None when it cannot speak for it."""
    if spec.model != model or isinstance(spec.recipe, UnknownRecipe):
        return None
    steps = spec.recipe.steps
    if len(steps) != 1 or (steps[0].kind, steps[0].layers) != (step.kind, step.layers):
        return None
    (other,) = steps
    if other == step:
        return 0.0
    if step.kind != "prune" or _pattern(other) is None or _pattern(other) != _pattern(step):
        return None
    away = abs(_number(other, "sparsity") - _number(step, "sparsity"))
    return 1e-3 + away if away <= NEARLY else None


def processor(result: Headline) -> str:
    """The machine that measured, '' where the result does not say."""
    return result.environment.processor or ""


def _pattern(step: Step) -> str | None:
    """The pattern of a step whose zeros are like those of every method; None for one that also does something else."""
    if "bits" in step.values or "sparsity" not in step.values or step.values.get("scope") == "threshold":
        return None
    return str(step.values.get("pattern", "unstructured"))


def _number(step: Step, name: str) -> float:
    return float(step.values.get(name) or 0.0)


def _gains(result: Headline) -> list[Gain]:
    """What was faster than the original beyond chance."""
    found, where, delta = [], processor(result), result.delta
    if delta.decode_speedup is not None and delta.decode_speedup_ci95 and delta.decode_speedup_ci95[0] > 1.0:
        found.append(Gain("decode", where, delta.decode_speedup))
    if result.latency is not None:
        slowest = result.latency.candidate.prefill_tokens_per_s_p5
        fastest = result.latency.base.prefill_tokens_per_s_p95
        if slowest and fastest and slowest > fastest:
            found.append(Gain("prefill", where))
    return found
