"""What training wins back, which no table knows: a share of what was lost before it, guessed widely and then learned.

A recipe with a training step (distillation, quantization-aware training, pruning while training) stores what the same
recipe without training stores, so its size and its speed are those. Its loss lies between that of the recipe without
training (nothing won) and what came after the training (all won), until trainings of this kind have finished on this
model and text: each of them tells what share it won, and the guess becomes their mean (a normal prior and normal
misses, so both in closed form; Gelman et al., Bayesian Data Analysis, 3rd ed., section 2.5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from optlab.errors import RecipeError
from optlab.prediction.treatment import Outside
from optlab.recipes import Recipe, Step

NORMAL = 1.645
HALF, WITHIN = 0.5, 0.15
"""The share that is expected before anything is known, and the standard deviation from one recipe to the next."""
PRIOR = ((HALF / NORMAL) ** 2 - WITHIN**2) ** 0.5
"""Of a kind's mean share: with `WITHIN`, the 90 % band of a kind that is not known goes from nothing to all."""
ALONE = 0.05
"""Nats: standard deviation of what training does to a model that had lost nothing."""
SMALLEST = 0.05
"""Nats that must have been lost before a training for its share to say something."""


@dataclass(frozen=True)
class Trained:
    """A recipe with training. untrained: the same without. before: of that, what the training can make up for. kind:
    which trainings are alike."""

    untrained: Recipe
    before: Recipe
    kind: str


def trained(recipe: Recipe) -> Trained | None:
    """`recipe` taken apart; None where nothing trains. Raises Outside for a student of another shape."""
    training = [number for number, step in enumerate(recipe.steps) if step.instance().trains]
    if not training:
        return None
    untrained = [_untrained(step) for step in recipe.steps]
    whole = Recipe(tuple(step for step in untrained if step is not None))
    before = Recipe(tuple(step for step in untrained[: training[-1] + 1] if step is not None))
    return Trained(whole, before, " ".join(f"{recipe.steps[n].kind} {recipe.steps[n].method}" for n in training))


def _untrained(step: Step) -> Step | None:
    try:
        like = step.instance().untrained(step.values)
    except RecipeError as error:
        raise Outside(error.message) from None
    return None if like is None else replace(step, method=like[0], values=like[1])


class Recovery:
    """The shares that trainings won back. seen: (kind of training, share)."""

    def __init__(self, seen: Iterable[tuple[str, float]] = ()) -> None:
        self._seen: dict[str, list[float]] = {}
        for kind, share in seen:
            self._seen.setdefault(kind, []).append(share)

    def trainings(self, kind: str) -> int:
        """How many of a kind have finished."""
        return len(self._seen.get(kind, ()))

    def share(self, kind: str) -> tuple[float, float]:
        """What the next training of a kind wins back of what was lost: mean and standard deviation."""
        shares = self._seen.get(kind, [])
        precision = 1 / PRIOR**2 + len(shares) / WITHIN**2
        mean = (HALF / PRIOR**2 + sum(shares) / WITHIN**2) / precision
        return mean, (1 / precision + WITHIN**2) ** 0.5
