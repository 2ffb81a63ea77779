"""A prediction that was measured: what was claimed, what came out, and whether the band held it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from optlab.figures import format
from optlab.i18n import _, plural, said
from optlab.prediction.ledger import CLAIMED, Entry, Ledger
from optlab.recipes import Recipe
from optlab.results.recipe import AnyRecipe


@dataclass(frozen=True)
class Proof:
    """predicted, low, high, measured: perplexity over the original's. low and high: ends of the band that was claimed
    before the measurement. finished: seconds since 1970."""

    recipe: AnyRecipe
    predicted: float
    low: float
    high: float
    measured: float
    inside: bool
    finished: float | None = None

    @property
    def title(self) -> str:
        """The recipe, in words."""
        return said(self.recipe.describe()) if isinstance(self.recipe, Recipe) else _("a recipe of another version")

    def in_words(self) -> str:
        """Predicted against measured, as one sentence."""
        told = (
            _("Predicted {predicted} ({low} to {high}), measured {measured}: inside the band.")
            if self.inside
            else _("Predicted {predicted} ({low} to {high}), measured {measured}: outside the band.")
        )
        return told.format(
            predicted=format.change(self.predicted), low=format.change(self.low), high=format.change(self.high),
            measured=format.change(self.measured),
        )  # fmt: skip


def proofs(ledger: Ledger) -> list[Proof]:
    """Every prediction that was measured, the newest first."""
    return [_of(entry) for entry in ledger.entries]


def proof_of(ledger: Ledger, recipe: Recipe) -> Proof | None:
    """The newest proof of this recipe; None where it was not predicted before it was measured."""
    return next((_of(entry) for entry in ledger.entries if entry.recipe == recipe), None)


def record(ledger: Ledger) -> str:
    """How many of all proofs the band held, as one sentence; '' before the first."""
    if not ledger.measured:
        return ""
    return plural(
        "{inside} of {count} proof lies inside its {claimed} band.",
        "{inside} of {count} proofs lie inside their {claimed} bands.",
        ledger.measured,
        inside=ledger.inside,
        claimed=f"{CLAIMED:.0%}",
    )


def _of(entry: Entry) -> Proof:
    low, high = entry.band
    return Proof(
        entry.recipe, _ratio(entry.predicted), _ratio(low), _ratio(high), _ratio(entry.measured), entry.inside,
        entry.finished,
    )  # fmt: skip


def _ratio(nll: float) -> float:
    """Perplexity ratio of a difference of the loss, nats; infinite beyond what a float holds."""
    return math.exp(nll) if nll < 700 else math.inf
