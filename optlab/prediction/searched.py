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
    """The least damage at every size, among all probed quantizations of `state`."""

    def __init__(self, state: State) -> None:
        self.state = state
        offered = menu(state)
        self.size: Floats | None = None
        if len(offered.choices) > 1:
            hull = sweep(offered.size, offered.damage)
            self.size, self.damage = np.log(hull.size), np.log(np.maximum(hull.damage, TINY))

    def share(self, done: Treatment, found: Damage) -> float:
        """How much of a recipe is owed to a search: 1 for the least damage of its size, 0 for `WORSE` times it or more,
        and where anything is pruned, which no search proposes unless it is asked to."""
        total = float(found.total.sum())
        if self.size is None or total <= 0 or any(done.pruning):
            return 0.0
        size = math.log(float(layer_bytes(self.state, done, found).sum()))
        best = float(np.interp(size, self.size, self.damage))
        return float(np.clip(1 - (math.log(total) - best) / math.log(WORSE), 0.0, 1.0))


def searched_anchors(state: State) -> list[Recipe]:
    """The searched recipes that a probe measures, once all else is known: rounding alone, which is applied at once."""
    offered = menu(state, ("rtn",))
    hull = sweep(offered.size, offered.damage)
    corners = [int(np.abs(np.log(np.maximum(hull.damage, TINY)) - math.log(wanted)).argmin()) for wanted in WANTED]
    return [offered.recipe(hull.chosen[corner]) for corner in sorted(set(corners))]
