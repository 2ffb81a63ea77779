"""Tasks: whether a compressed model still tells what an article is about."""

from __future__ import annotations

from optlab.results.document import Document, Part
from optlab.results.fields import Count, Interval, Number
from optlab.results.specs import RecipeSpec


class TasksSpec(RecipeSpec):
    """Which recipe is asked beside the original."""


class Accuracy(Part):
    """Share of right answers, with Wilson's 95 % interval."""

    accuracy: Number
    ci95: Interval


class AccuracyDelta(Part):
    """Candidate minus base on the same articles; the interval is paired. lost, won: answers that flipped."""

    accuracy: Number
    ci95: Interval | None
    lost: Count
    won: Count


class Topics(Document):
    """always_the_same: accuracy of whoever names the most frequent topic every time."""

    articles: Count
    always_the_same: Number
    base: Accuracy
    candidate: Accuracy
    delta: AccuracyDelta
