"""Whether two layers do more harm together than each alone: the one thing that a sum of damages cannot know.

Three recipes settle it: the treatment on one layer, on the other, on both. What the pair costs beyond the sum of the
two is their interaction; EvoPress (arXiv 2410.14649) shows that for strong compression it cannot be neglected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optlab.prediction.mixed import pattern
from optlab.recipes import Recipe, Step


@dataclass(frozen=True)
class Interaction:
    """Mean KL in nats per token: of either layer alone, and of both."""

    first: float
    second: float
    both: float

    @property
    def relative_excess(self) -> float:
        """`excess` over the sum of the two; 0 where neither costs anything."""
        alone = self.first + self.second
        return self.excess / alone if alone > 0 else 0.0

    @property
    def excess(self) -> float:
        """What the pair costs beyond the sum of the two."""
        return self.both - self.first - self.second


def trio(recipe: Recipe, first: str, second: str) -> tuple[Recipe, Recipe, Recipe]:
    """The steps of `recipe` that treat the layers, on the first, on the second, on both."""
    return _on(recipe, [first]), _on(recipe, [second]), _on(recipe, [first, second])


def interaction(kl: Sequence[float | None]) -> Interaction | None:
    """Of the mean KL that the recipes of a `trio` measured; None while one is missing."""
    known = [one for one in kl if one is not None]
    return Interaction(*known) if len(known) == 3 else None


def _on(recipe: Recipe, names: list[str]) -> Recipe:
    steps = []
    for step in recipe.steps:
        treated = [name for name in names if step.layers is None or step.matches(name)]
        if step.kind in ("quantize", "prune") and treated:
            steps.append(Step(step.kind, step.method, step.values, pattern(treated)))
    return Recipe(tuple(steps))
