"""The question turned round: not what a recipe costs, but which recipe costs least at a size, or is smallest at a cost.

Every layer may be quantized by any probed method at any probed level, or stay as it is, and `allocation` finds the best
combination among all of them (20 choices for each of 210 layers are 10^273 recipes). The damage that it adds up is the
table's; what a person is told comes from the predictor, with its band, and stays a prediction until it is measured.

Pruned and quantized layers can be offered too. On nano that takes at most 9 % off the predicted damage, nearly all of
it near the smallest sizes, and reaches below the size of 2 bits; it is off unless it is asked for, because no kernel
makes zeros fast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from optlab.errors import OptLabError
from optlab.prediction.allocation import Chosen, Hull, sweep, within
from optlab.prediction.menu import menu
from optlab.recipes import Recipe
from optlab.results.prediction import FrontierPoint

if TYPE_CHECKING:
    from optlab.prediction.predictor import Prediction, Predictor

POINTS = 40


@dataclass(frozen=True)
class Point:
    """A recipe on the frontier and what is predicted of it."""

    recipe: Recipe
    prediction: Prediction

    @property
    def size_bytes(self) -> int:
        """Bytes of its weights file."""
        assert self.prediction.size_bytes is not None, "every choice of the menu was probed"
        return self.prediction.size_bytes

    def document(self) -> FrontierPoint:
        """One of the `points` of `frontier --json`."""
        delta = self.prediction.document().delta
        return FrontierPoint(
            size_bytes=self.size_bytes, nll=delta and delta.nll, nll_band90=delta and delta.nll_band90,
            ppl_ratio=delta and delta.ppl_ratio, kl_mean=delta and delta.kl_mean,
            decode_ms_per_token=self.prediction.decode_ms, recipe=self.recipe,
        )  # fmt: skip


class Frontier:
    """The best recipes of every size, as `predictor` sees them. methods, prunings: as `menu`.

    Raises OptLabError when no quantization has been probed yet.
    """

    def __init__(
        self, predictor: Predictor, methods: tuple[str, ...] | None = None, prunings: tuple[str, ...] = ()
    ) -> None:
        self.predictor = predictor
        self.menu = menu(predictor.state, methods, prunings)
        if len(self.menu.choices) < 2:
            raise OptLabError("none of these quantizations has been probed on this model yet; let the probe finish")

    @cached_property
    def hull(self) -> Hull:
        """Every combination that is best at some price of a byte, smallest first."""
        return sweep(self.menu.size, self.menu.damage)

    def recipe(self, chosen: Chosen) -> Recipe:
        """The recipe of one choice per layer: a step for each that is used, prunings first."""
        return self.menu.recipe(chosen)

    def point(self, chosen: Chosen) -> Point:
        """What is predicted of one choice per layer."""
        recipe = self.recipe(chosen)
        return Point(recipe, self.predictor.predict(recipe))

    def points(self, count: int = POINTS) -> list[Point]:
        """At most `count` corners of the hull, evenly spread over the logarithm of size, smallest first."""
        size = np.log(self.hull.size)
        wanted = np.linspace(size[0], size[-1], count)
        nearest = np.abs(size[:, None] - wanted).argmin(0)
        return [self.point(self.hull.chosen[corner]) for corner in np.unique(nearest)]

    def at_most_bytes(self, budget: int) -> Point:
        """The least predicted damage in a weights file of at most `budget` bytes, among all combinations.

        Raises OptLabError when the smallest file is larger.
        """
        sizes, rows = self.menu.size, np.arange(len(self.menu.size))
        smallest = self.point(self.hull.chosen[0])
        # What the file holds besides the layers. Its header varies by a few bytes with the choices, hence the loop.
        room = budget - (smallest.size_bytes - float(sizes[rows, self.hull.chosen[0]].sum()))
        while (best := within(sizes, self.menu.damage, room)) is not None:
            found = self.point(best)
            over = found.size_bytes - budget
            if over <= 0:
                return found
            room -= over
        if smallest.size_bytes <= budget:
            return smallest
        raise OptLabError(
            "the smallest file that was probed takes {size_bytes:,} bytes; allow at least that",
            size_bytes=smallest.size_bytes,
        )

    def at_most_ratio(self, ratio: float) -> Point:
        """The smallest corner of the hull whose predicted perplexity is at most `ratio` times the original's.

        Raises OptLabError when `ratio` is below 1.
        """
        if not ratio >= 1:
            raise OptLabError(
                "a perplexity ratio of {ratio:g} asks for a better model; use 1 or more, such as 1.05",
                ratio=ratio,
            )
        low, high = 0, len(self.hull.size) - 1
        while low < high:  # damage falls from corner to corner, and the last one is the original
            middle = (low + high) // 2
            nll = self.point(self.hull.chosen[middle]).prediction.nll
            if nll is not None and nll <= math.log(ratio):
                high = middle
            else:
                low = middle + 1
        return self.point(self.hull.chosen[low])

    def at_least_speed(self, tokens_per_s: float) -> Point:
        """The least damaged of `points` that is predicted to decode at least this fast.

        Raises OptLabError when none does, or when decoding was not timed on this machine.
        """
        points = self.points()
        timed = [point for point in points if point.prediction.decode_ms is not None]
        fast = [point for point in timed if 1000 / (point.prediction.decode_ms or math.inf) >= tokens_per_s]
        if not timed:
            raise OptLabError("decoding was not timed on this machine yet; let the probe finish")
        if not fast:
            best = max(1000 / (point.prediction.decode_ms or math.inf) for point in timed)
            raise OptLabError(
                "no probed recipe is predicted to reach {tokens_per_s:g} tokens/s; use {best:.0f} or less",
                tokens_per_s=tokens_per_s,
                best=best,
            )
        return fast[-1]
