"""The few recipes that a probe measures: chosen to cover both knobs, their combination and uneven layers.

They fix the link from predicted damage to measured loss. The first ones matter most, because a prediction is asked for
before the last one is done; none is close to lossless, where a few thousand tokens say nothing.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from optlab.methods import method
from optlab.predict.levels import Family
from optlab.predict.mixed import recipe_of
from optlab.recipes import Recipe, Step

SEED = 20_260_000


def anchors(names: Sequence[str], found: Sequence[Family]) -> list[Recipe]:
    """Recipes to measure for layers `names` and probed families, the most telling first."""
    prunings = [family for family in found if family.kind == "prune"]
    middle = next(size for size in [level["group_size"] for level in _main(found).levels])

    def rounded(bits: int, group: object = middle) -> Step:
        return Step("quantize", "rtn", {"bits": bits, "group_size": group})  # type: ignore[dict-item]

    def zeros(sparsity: float, family: Family) -> Step:
        return Step("prune", family.method, {**dict(family.fixed), "sparsity": sparsity})

    rng = random.Random(SEED)
    plain = next(family for family in prunings if not method("prune", family.method).needs_calibration)

    def mixed(
        bits: Sequence[int] = (), sparsities: Sequence[float] = (), groups: Sequence[object] = (middle,)
    ) -> Recipe:
        return _mixed(names, rng, [rounded(b, g) for b in bits for g in groups], [zeros(s, plain) for s in sparsities])

    others = [family for family in found if family.kind == "quantize" and family is not _main(found)]
    return [
        Recipe.of(rounded(3)),
        Recipe.of(zeros(0.5, plain)),
        mixed(sparsities=(0.2, 0.4, 0.6, 0.7)),
        mixed(bits=(2, 3, 4, 5)),
        mixed(bits=(3, 4, 6), sparsities=(0.1, 0.3, 0.5)),
        Recipe.of(rounded(2)),
        Recipe.of(zeros(0.4, plain), rounded(3)),
        Recipe.of(zeros(0.7, plain)),
        mixed(sparsities=(0.3, 0.5, 0.7)),
        mixed(bits=(2, 3, 4), groups=(middle, None)),
        Recipe.of(zeros(0.3, plain)),
        mixed(bits=(2, 3, 4), sparsities=(0.2, 0.4, 0.6)),
        Recipe.of(rounded(3, None)),
        mixed(sparsities=(0.4, 0.5, 0.6, 0.7)),
        Recipe.of(zeros(0.6, plain), rounded(4)),
        mixed(bits=(3, 4), sparsities=(0.5, 0.6, 0.7)),
        *[Recipe.of(zeros(0.5, family)) for family in prunings if family is not plain],
        *[Recipe.of(_at(family, 3)) for family in others],
    ]


def _main(found: Sequence[Family]) -> Family:
    return next(family for family in found if family.method == "rtn")


def _at(family: Family, bits: int) -> Step:
    return family.step(next(n for n, level in enumerate(family.levels) if level["bits"] == bits))


def _mixed(names: Sequence[str], rng: random.Random, rounded: list[Step], pruned: list[Step]) -> Recipe:
    """Every layer gets one of `rounded` and one of `pruned` by lot."""
    lots = [some for some in (pruned, rounded) if some]
    return recipe_of({name: [rng.choice(some) for some in lots] for name in names})
