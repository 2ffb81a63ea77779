"""The record of honesty: every measurement beside the prediction that was made before it.

A band that claims 90 % must hold about nine measurements in ten, and this is where it shows whether it does. A
prediction is written down when a measurement is asked for, and is never touched again; a predictor that has learnt from
a measurement since cannot improve its record with it. Predictions that said "measure" claim nothing and do not count.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from optlab.messages import Joined, say
from optlab.results.prediction import Predicted, Record
from optlab.results.recipe import AnyRecipe

CLAIMED = 0.9
"""The share of measurements that a band says it holds."""
SMALLEST = 0.02
"""Nats: below, a relative error says more about the noise of the measurement than about the prediction."""
UNLIKELY = 0.01
"""A record that an honest band would have less often than this is called bad."""


@dataclass(frozen=True)
class Entry:
    """One measurement and its prediction: differences of the loss to the original in nats, the band as (low, high)."""

    recipe: AnyRecipe
    predicted: float
    band: tuple[float, float]
    measured: float
    finished: float | None = None

    @property
    def inside(self) -> bool:
        """Whether the measured difference lies within the band."""
        return self.band[0] <= self.measured <= self.band[1]

    @property
    def error(self) -> float | None:
        """|predicted - measured| / |measured|; None where hardly anything was lost."""
        if abs(self.measured) < SMALLEST:
            return None
        return abs(self.predicted - self.measured) / abs(self.measured)


@dataclass(frozen=True)
class Ledger:
    """Entries, the newest first."""

    entries: tuple[Entry, ...]

    @property
    def measured(self) -> int:
        return len(self.entries)

    @property
    def inside(self) -> int:
        """How many lay within their band."""
        return sum(entry.inside for entry in self.entries)

    @property
    def coverage(self) -> float | None:
        """The share that lay within its band, to be compared with `CLAIMED`; None before the first."""
        return self.inside / self.measured if self.entries else None

    @property
    def median_error(self) -> float | None:
        """Median of `Entry.error`; None while there is none."""
        errors = [entry.error for entry in self.entries if entry.error is not None]
        return statistics.median(errors) if errors else None

    @property
    def trustworthy(self) -> bool:
        """False when a band that holds nine in ten would miss this often less than once in a hundred records."""
        n, hits = self.measured, self.inside
        chance = sum(math.comb(n, k) * CLAIMED**k * (1 - CLAIMED) ** (n - k) for k in range(hits + 1))
        return chance >= UNLIKELY

    def last(self, count: int) -> Ledger:
        """The newest `count` entries."""
        return Ledger(self.entries[:count])

    def document(self) -> Record:
        """The `ledger` of the command line's JSON."""
        return Record(measured=self.measured, inside=self.inside, median_error=self.median_error)

    def in_words(self, count: int = 30) -> str:
        """The running record as one line."""
        last = self.last(count)
        if not last.entries:
            return say("no prediction checked yet")
        line = say(
            "{inside} of the last {measured} measurements lay inside the {claimed:.0%} band",
            inside=last.inside,
            measured=last.measured,
            claimed=CLAIMED,
        )
        if last.median_error is None:
            return line
        return Joined(", ", [line, say("median error {error:.0%}", error=last.median_error)])


def entry(recipe: AnyRecipe, predicted: Predicted | None, nll: float, finished: float | None = None) -> Entry | None:
    """The entry of one measurement; None when nothing was claimed, or nothing finite was measured.

    That the original is as good as itself is no claim. nll: that was measured, against the original.
    """
    if recipe.is_original or predicted is None or predicted.delta is None or not predicted.inside_probed_range:
        return None
    if not math.isfinite(nll):
        return None
    return Entry(recipe, predicted.delta.nll, predicted.delta.band, nll, finished)


def ledger(entries: Iterable[Entry | None]) -> Ledger:
    """The record of `entries` (newest first), without those that claimed nothing."""
    return Ledger(tuple(one for one in entries if one is not None))
