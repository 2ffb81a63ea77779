"""Tasks beside the perplexity: how original and compressed model do real questions, with everything that is paired."""

from __future__ import annotations

import math
from typing import ClassVar

from optlab.files import JsonObject
from optlab.results.document import Document, Part
from optlab.results.fields import Count, Interval, Name, Number, Truth, Word
from optlab.results.specs import RecipeSpec

FLIPS_KEPT = 30
"""Questions of a result whose answers changed, with both answers; the first of them."""


class TasksSpec(RecipeSpec):
    """Which recipe is asked beside the original. task: one of `optlab.evaluation.tasks`; at first there was one.

    points: the asking ends once the interval of the difference is narrower than so many hundredths; None: it asks all.
    tokens: as many questions are asked as the original reads in about so many; None: all.
    """

    task: Name = "topics"
    points: Number | None = None
    tokens: Count | None = None

    @property
    def known_tokens(self) -> int | None:
        """`tokens`, None where it says nothing."""
        return self.tokens or None

    @property
    def known_points(self) -> float | None:
        """`points`, None where it says nothing."""
        return self.points if self.points is not None and self.points > 0 else None


class Estimate(Part):
    """A mean with its 95 % interval; None where one question says nothing about the spread."""

    mean: Number
    ci95: Interval | None


class Calibration(Part):
    """Whether a model's confidence in its answers is deserved. The probabilities are those of the choices among each
    other.

    error: expected calibration error over `bins` (Guo et al. 2017, arXiv 1706.04599, equation 3). brier: mean squared
    error of all probabilities of a question, 0 to 2 (Brier 1950). entropy: of the choices, nats. bins: for each tenth
    of confidence (mean confidence, share right, questions); empty ones are left out.
    """

    error: Number
    brier: Number
    entropy: Number
    bins: tuple[tuple[Number, Number, Count], ...]


class Side(Part):
    """One model. score: in the metric of the task, with its 95 % interval (Wilson's, of a share).

    log_likelihood: of the right answer, nats. margin: right answer minus the best other one, in what the task compares.
    None in results of earlier versions, and where there is one choice.
    """

    score: Number
    ci95: Interval | None
    log_likelihood: Number | None = None
    margin: Number | None = None
    calibration: Calibration | None = None


class Difference(Part):
    """Candidate minus base on the same questions; the intervals are paired.

    lost, won: right answers that became wrong, wrong ones that became right. moved: wrong ones that became another
    wrong one. detectable: the smallest difference of the score that so many questions would show four times in five
    (`optlab.evaluation.task_statistics.detectable`).
    """

    score: Number
    ci95: Interval | None
    lost: Count = 0
    won: Count = 0
    moved: Count = 0
    log_likelihood: Estimate | None = None
    margin: Estimate | None = None
    detectable: Number | None = None

    @property
    def mcnemar_p(self) -> float:
        """Chance of flips at least as uneven where both models are equally good: McNemar's exact test (McNemar 1947),
        two-sided. 1 where nothing flipped."""
        flips, rarer = self.lost + self.won, min(self.lost, self.won)
        tail = sum(math.comb(flips, count) for count in range(rarer + 1))
        return min(2 * tail / 2**flips, 1.0)


class Slice(Part):
    """The questions of one group, as the whole: scores of both, and the paired difference."""

    group: Word
    questions: Count
    base: Number
    candidate: Number
    difference: Estimate


class Flip(Part):
    """A question whose answer changed. base, candidate: the probability of every choice among the choices."""

    question: Word
    choices: tuple[Word, ...]
    right: Count
    base: tuple[Number, ...]
    candidate: tuple[Number, ...]


class Written(Part):
    """What both models wrote to one question. expected: what counts as right, or the reference."""

    question: Word
    expected: Word
    base: Word
    candidate: Word


class TaskResult(Document):
    """metric: what the score is (`optlab.evaluation.tasks.Metric`). chance: of who guesses, of transcripts the
    recognizer alone; None where there is nothing to guess. always_the_same: of whoever gives the most frequent answer
    every time. slices: by group, where questions have one. written: some answers of a task
    that is written. stopped_early: `points` was reached."""

    version: ClassVar[int] = 3
    metric: Name = "accuracy"
    questions: Count
    chance: Number | None = None
    always_the_same: Number | None = None
    base: Side
    candidate: Side
    delta: Difference
    slices: tuple[Slice, ...] = ()
    flips: tuple[Flip, ...] = ()
    stopped_early: Truth = False
    written: tuple[Written, ...] = ()

    @property
    def lower_is_better(self) -> bool:
        """Whether a smaller score is the better one."""
        return self.metric in ("nats_per_token", "word_error_rate")

    @property
    def told(self) -> bool:
        """Whether the original is better than who guesses or always says the same, its interval included. Where it is
        not, the score cannot show what a compression costs."""
        floor = max(self.chance or 0.0, self.always_the_same or 0.0)
        return self.metric != "accuracy" or (self.base.ci95 is not None and self.base.ci95[0] > floor)

    @classmethod
    def upgraded(cls, fields: JsonObject, version: int) -> JsonObject:
        """Version 1 asked for topics of articles, and called the questions so; 2 knew accuracies only."""
        renamed = {"questions" if name == "articles" else name: value for name, value in fields.items()}
        for name in ("base", "candidate", "delta"):
            part = renamed.get(name)
            if isinstance(part, dict):
                renamed[name] = {"score" if key == "accuracy" else key: value for key, value in part.items()}
        return renamed
