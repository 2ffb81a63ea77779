"""Which knob decides: how much of what differs between runs is explained by each knob alone.

The share is a first-order Sobol index over the values that were tried: Var(E[y | knob]) / Var(y), where y is the
logarithm of a figure. Taken from a sample that is the correlation ratio, which flatters a knob with many values: one
for each run explains everything. So it is corrected as epsilon squared (Kelley 1935):

    1 - (n - 1) / (n - g) * SS_within / SS_total        n runs, g values of the knob

Runs were not drawn at random: the share tells what decided among these runs, and not what would in general.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from optlab.i18n import _
from optlab.jobs.measured import MeasuredRun
from optlab.recipes import Recipe

Knob = Literal["method", "bits", "group", "sparsity", "training"]
KNOBS: tuple[Knob, ...] = ("method", "bits", "group", "sparsity", "training")
Figure = Literal["ppl", "size", "speed"]
LEAST_RUNS = 4
"""Fewer say nothing of variance."""


@dataclass(frozen=True)
class Tried:
    """One run. knobs: the value of each in words, '' where it is not used. figures: over those of the original, None
    where not measured."""

    run: int
    knobs: dict[Knob, str]
    figures: dict[Figure, float | None]


def tried(runs: Iterable[MeasuredRun]) -> list[Tried]:
    """Runs whose recipe is known, without the original: it has no knobs."""
    return [
        _tried(run, run.spec.recipe) for run in runs if isinstance(run.spec.recipe, Recipe) and run.spec.recipe.steps
    ]


def settings(recipe: Recipe) -> dict[Knob, str]:
    """Where the knobs stand, in words; several values of one knob are listed."""
    return {
        "method": " + ".join(dict.fromkeys(step.method for step in recipe.steps)),
        "bits": _values(recipe, "quantize", "bits"),
        "group": _values(recipe, "quantize", "group_size"),
        "sparsity": _values(recipe, "prune", "sparsity"),
        "training": _values(recipe, "distill", "temperature"),
    }


def title(knob: Knob) -> str:
    """For people."""
    names = {"method": _("Method"), "bits": _("Bits"), "group": _("Group size"), "sparsity": _("Sparsity"),
             "training": _("Temperature")}  # fmt: skip
    return names[knob]


@dataclass(frozen=True)
class Drawn:
    """Runs whose perplexity and size are known, as columns of one length. worse, sizes: over those of the original."""

    knobs: dict[Knob, list[str]]
    worse: list[float]
    sizes: list[float]


def drawn(found: Sequence[Tried]) -> Drawn:
    """What a chart of `found` shows."""
    rows = [(one, worse, size) for one in found if (worse := _known(one, "ppl")) and (size := _known(one, "size"))]
    return Drawn(
        {knob: [one.knobs[knob] for one, _worse, _size in rows] for knob in KNOBS},
        [worse for _one, worse, _size in rows],
        [size for _one, _worse, size in rows],
    )


def explained(found: Sequence[Tried], figure: Figure) -> dict[Knob, float]:
    """knob -> share of the variance of the logarithm of `figure` that it explains by itself, 0 to 1.

    A knob that never moved, or of which every run has another value, is left out; everything is below `LEAST_RUNS`.
    """
    known = [(one, math.log(value)) for one in found if (value := _known(one, figure))]
    shares = {}
    for knob in KNOBS:
        share = epsilon_squared([(one.knobs[knob], value) for one, value in known])
        if share is not None:
            shares[knob] = share
    return shares


def epsilon_squared(pairs: Sequence[tuple[str, float]]) -> float | None:
    """Of (value of a knob, figure), 0 to 1; None where too little was tried, or nothing differs."""
    groups: dict[str, list[float]] = {}
    for name, value in pairs:
        groups.setdefault(name, []).append(value)
    n, g = len(pairs), len(groups)
    total = _squares([value for _name, value in pairs])
    if n < LEAST_RUNS or not 1 < g < n or total == 0:
        return None
    within = sum(_squares(values) for values in groups.values())
    return max(1 - (n - 1) / (n - g) * within / total, 0.0)


def _tried(run: MeasuredRun, recipe: Recipe) -> Tried:
    delta = run.headline.delta
    figures: dict[Figure, float | None] = {"ppl": delta.ppl_ratio, "size": run.headline.size_ratio,
                                           "speed": delta.decode_speedup}  # fmt: skip
    return Tried(run.id, settings(recipe), figures)


def _known(one: Tried, figure: Figure) -> float | None:
    """A figure that has a logarithm."""
    value = one.figures[figure]
    return value if value is not None and math.isfinite(value) and value > 0 else None


def _squares(values: Sequence[float]) -> float:
    """Sum of the squared distances from the mean."""
    if not values:
        return 0.0
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values)


def _values(recipe: Recipe, kind: str, name: str) -> str:
    found = [step.values.get(name) for step in recipe.steps if step.kind == kind]
    return ", ".join(dict.fromkeys(f"{value:g}" if isinstance(value, float) else str(value) for value in found
                                   if value is not None))  # fmt: skip
