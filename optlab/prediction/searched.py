"""What a search does to its own predictions: of thousands of combinations it takes those that are underestimated most.

The table of damages has errors, and the best combination of a size is best partly because of them: the winner's curse
of selection (Efron 2011, "Tweedie's formula and selection bias"). On nano the divergence of 22 searched recipes was
1.03 to 1.23 times the predicted. How much it is depends on the model, so it is learned as everything else is (`link`):
a recipe is searched as far as its damage comes near the least that its size allows, recipes that are searched share an
offset of their own, a few searched recipes are anchors, and every one that somebody proves teaches the others.
"""

from __future__ import annotations

import math

import numpy as np

from optlab.prediction.allocation import Floats, sweep
from optlab.prediction.menu import menu
from optlab.prediction.size import layer_bytes
from optlab.prediction.state import State
from optlab.prediction.treatment import TINY, Damage, Treatment
from optlab.recipes import Recipe

WORSE = 1.5
"""So many times the least damage of its size, and a recipe owes nothing to a search."""
WANTED = (0.03, 0.1, 0.3, 1.0)
"""Nats of tabulated damage of the searched anchors."""


class Bargains:
    """The least damage at every size that a search could have found among probed quantizations of `state`."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._of_methods: dict[tuple[str, ...], tuple[Floats, Floats] | None] = {}

    def share(self, done: Treatment, found: Damage) -> float:
        """How much of a recipe is owed to a search: 1 for the least damage of its size, 0 for `WORSE` times it or more,
        and where anything is pruned, which no search proposes unless it is asked to. The search is that among the
        methods which the recipe uses: the best rounding is searched, however much better another method would be."""
        total = float(found.total.sum())
        least = None if total <= 0 or any(done.pruning) else self._least(_methods(done))
        if least is None:
            return 0.0
        size = math.log(float(layer_bytes(self.state, done, found).sum()))
        best = float(np.interp(size, *least))
        return float(np.clip(1 - (math.log(total) - best) / math.log(WORSE), 0.0, 1.0))

    def _least(self, methods: tuple[str, ...]) -> tuple[Floats, Floats] | None:
        """Logarithms of bytes and of the least damage in nats, by size; None where nothing was probed yet."""
        if methods not in self._of_methods:
            offered = menu(self.state, methods)
            self._of_methods[methods] = None
            if len(offered.choices) > 1:
                hull = sweep(offered.size, offered.damage)
                self._of_methods[methods] = np.log(hull.size), np.log(np.maximum(hull.damage, TINY))
        return self._of_methods[methods]


def _methods(done: Treatment) -> tuple[str, ...]:
    """The quantizations that are used."""
    return tuple(sorted({key.split(" ")[1] for key in done.quantizing if key}))


def searched_anchors(state: State) -> list[Recipe]:
    """The searched recipes that a probe measures, once all else is known: rounding alone, which is applied at once."""
    offered = menu(state, ("rtn",))
    hull = sweep(offered.size, offered.damage)
    corners = [int(np.abs(np.log(np.maximum(hull.damage, TINY)) - math.log(wanted)).argmin()) for wanted in WANTED]
    return [offered.recipe(hull.chosen[corner]) for corner in sorted(set(corners))]
