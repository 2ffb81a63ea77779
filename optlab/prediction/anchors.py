"""The few recipes that a probe measures: chosen to cover both knobs, their combination and uneven layers.

They fix the link from predicted damage to measured loss. Which settings tell something depends on the model: 3 bits
cost nano 0.02 nats and SmolLM2 more than 1. So there are more candidates than anchors, and those are measured whose
damage, as the tables have it, lies where people decide. The first ones matter most, because a prediction is asked for
before the last one is done.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from optlab.methods import method
from optlab.prediction.levels import Family
from optlab.prediction.mixed import recipe_of
from optlab.prediction.state import State
from optlab.prediction.treatment import damage, treatment
from optlab.recipes import Recipe, Step

SEED = 20_260_000
COUNT = 16
"""Of candidates that are measured, besides those of `others`."""
LEAST, MOST = 0.02, 2.5
"""Nats of tabulated damage: of less, a few thousand tokens say nothing; more, and nobody wants the model, and what such
anchors say of others misleads (SmolLM2: a median error of 8.5 % with them up to 2.3 nats, of 10.2 % up to 5)."""


def wanted_anchors(state: State, found: Sequence[Family]) -> list[Recipe]:
    """The recipes that a probe of these families measures, the most telling first; always the same ones.

    They are chosen by the damage that the tables of the first two families know before single layers were looked at, so
    that a probe that was stopped goes on with the same recipes. Raises Outside before those tables are there.
    """
    blank = replace(state, corrections=[])

    def damage_of(recipe: Recipe) -> float:
        return float(damage(blank, treatment(blank, recipe)).total.sum())

    return telling(candidates(state.names, found), damage_of) + others(found)


def candidates(names: Sequence[str], found: Sequence[Family]) -> list[Recipe]:
    """Recipes of rounding and magnitude pruning that may be measured for layers `names`, the most telling first."""
    prunings = [family for family in found if family.kind == "prune"]
    middle = next(size for size in [level["group_size"] for level in _main(found).levels])

    def rounded(bits: int, group: object = middle) -> Step:
        return Step("quantize", "rtn", {"bits": bits, "group_size": group})  # type: ignore[dict-item]

    plain = next(family for family in prunings if not method("prune", family.method).needs_calibration)

    def zeros(sparsity: float) -> Step:
        return Step("prune", plain.method, {**dict(plain.fixed), "sparsity": sparsity})

    rng = random.Random(SEED)

    def mixed(
        bits: Sequence[int] = (), sparsities: Sequence[float] = (), groups: Sequence[object] = (middle,)
    ) -> Recipe:
        return _mixed(names, rng, [rounded(b, g) for b in bits for g in groups], [zeros(s) for s in sparsities])

    return [
        Recipe.of(rounded(3)),
        Recipe.of(zeros(0.5)),
        mixed(sparsities=(0.2, 0.4, 0.6, 0.7)),
        mixed(bits=(2, 3, 4, 5)),
        Recipe.of(rounded(5)),
        Recipe.of(zeros(0.15)),
        mixed(bits=(3, 4, 6), sparsities=(0.1, 0.3, 0.5)),
        mixed(bits=(4,), groups=(middle, None)),
        mixed(sparsities=(0.1, 0.2, 0.3)),
        Recipe.of(rounded(2)),
        Recipe.of(zeros(0.4), rounded(3)),
        mixed(bits=(4, 5), sparsities=(0.1, 0.2)),
        Recipe.of(zeros(0.3)),
        mixed(bits=(3, 4, 5)),
        Recipe.of(zeros(0.7)),
        mixed(sparsities=(0.3, 0.5, 0.7)),
        mixed(bits=(2, 3, 4), groups=(middle, None)),
        mixed(bits=(4, 5), sparsities=(0.1, 0.3)),
        mixed(bits=(2, 3, 4), sparsities=(0.2, 0.4, 0.6)),
        Recipe.of(rounded(3, None)),
        mixed(sparsities=(0.4, 0.5, 0.6, 0.7)),
        Recipe.of(zeros(0.6), rounded(4)),
        mixed(bits=(3, 4), sparsities=(0.5, 0.6, 0.7)),
        mixed(bits=(4, 5, 6)),
        Recipe.of(rounded(4)),
        Recipe.of(zeros(0.2), rounded(4)),
        mixed(sparsities=(0.1, 0.2, 0.3, 0.4)),
        Recipe.of(zeros(0.4)),
        mixed(bits=(3, 4, 5, 6), groups=(middle, None)),
        mixed(bits=(4, 6), sparsities=(0.2, 0.3)),
        Recipe.of(rounded(4, None)),
        mixed(bits=(3, 4), sparsities=(0.1, 0.2)),
    ]


def others(found: Sequence[Family]) -> list[Recipe]:
    """One recipe for each further family, which are all measured."""
    prunings = [
        family for family in found if family.kind == "prune" and method("prune", family.method).needs_calibration
    ]
    rounding = [family for family in found if family.kind == "quantize" and family is not _main(found)]
    half = [Step("prune", family.method, {**dict(family.fixed), "sparsity": 0.5}) for family in prunings]
    return [Recipe.of(step) for step in (*half, *(_at(family, 3) for family in rounding))]


def telling(some: Sequence[Recipe], damage_of: Callable[[Recipe], float]) -> list[Recipe]:
    """The first `COUNT` of those whose damage in nats lies between `LEAST` and `MOST`; of a model that is so robust
    or so frail that hardly any does, those that are nearest."""

    def beyond(recipe: Recipe) -> float:
        logarithm = math.log(max(damage_of(recipe), 1e-9))
        return max(math.log(LEAST) - logarithm, logarithm - math.log(MOST), 0.0)

    nearest = sorted(range(len(some)), key=lambda number: (beyond(some[number]), number))
    return [some[number] for number in sorted(nearest[:COUNT])]


def _main(found: Sequence[Family]) -> Family:
    return next(family for family in found if family.method == "rtn")


def _at(family: Family, bits: int) -> Step:
    return family.step(next(n for n, level in enumerate(family.levels) if level["bits"] == bits))


def _mixed(names: Sequence[str], rng: random.Random, rounded: list[Step], pruned: list[Step]) -> Recipe:
    """Every layer gets one of `rounded` and one of `pruned` by lot."""
    lots = [some for some in (pruned, rounded) if some]
    return recipe_of({name: [rng.choice(some) for some in lots] for name in names})
