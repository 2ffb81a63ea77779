"""Tasks beside the perplexity: how often original and compressed model give the right answer."""

from __future__ import annotations

import math
from typing import ClassVar

from optlab.files import JsonObject
from optlab.results.document import Document, Part
from optlab.results.fields import Count, Interval, Name, Number
from optlab.results.specs import RecipeSpec


class TasksSpec(RecipeSpec):
    """Which recipe is asked beside the original. task: one of `optlab.evaluation.tasks`; at first there was one."""

    task: Name = "topics"


class Accuracy(Part):
    """Share of right answers, with Wilson's 95 % interval."""

    accuracy: Number
    ci95: Interval


class AccuracyDelta(Part):
    """Candidate minus base on the same questions; the interval is paired. lost, won: answers that flipped."""

    accuracy: Number
    ci95: Interval | None
    lost: Count
    won: Count

    @property
    def mcnemar_p(self) -> float:
        """Chance of flips at least as uneven where both models are equally good: McNemar's exact test (McNemar 1947),
        two-sided. 1 where nothing flipped."""
        flips, rarer = self.lost + self.won, min(self.lost, self.won)
        tail = sum(math.comb(flips, count) for count in range(rarer + 1))
        return min(2 * tail / 2**flips, 1.0)


class TaskResult(Document):
    """always_the_same: accuracy of whoever gives the most frequent answer every time."""

    version: ClassVar[int] = 2
    questions: Count
    always_the_same: Number
    base: Accuracy
    candidate: Accuracy
    delta: AccuracyDelta

    @classmethod
    def upgraded(cls, fields: JsonObject, version: int) -> JsonObject:
        """Version 1 asked for topics of articles, and called the questions so."""
        return {"questions" if name == "articles" else name: value for name, value in fields.items()}
