"""What the answers of two models to the same questions say: scores, paired differences, flips, calibration.

Original and compressed model read the same questions, so the interval of the difference is paired, and answers that
flip are counted both ways: a score may stand still while the answers change (Dutta et al. 2024, arXiv 2407.09141).
Statistics only: NumPy in, results out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optlab.evaluation.paired import Interval, interval
from optlab.evaluation.tasks import Metric, Question
from optlab.results.tasks import FLIPS_KEPT, Calibration, Difference, Estimate, Flip, Side, Slice, TaskResult, Written

Z95 = 1.959963984540054
Z80 = 0.8416212335729143
BINS = 10
SHOWN = 1_000
"""Characters of a question and of a choice that a result keeps."""

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Answer:
    """One model, one question. scores: what is compared between the choices [choices]; log_likelihoods: log p(choice |
    question), nats [choices]; tokens of the right one."""

    scores: Floats
    log_likelihoods: Floats
    tokens: int

    @property
    def chosen(self) -> int:
        """The choice that is preferred; the first of equals."""
        return int(self.scores.argmax())

    @property
    def probabilities(self) -> Floats:
        """Of the choices among each other."""
        weights = np.exp(self.scores - self.scores.max())
        return np.asarray(weights / weights.sum(), dtype=np.float64)

    def margin(self, right: int) -> float:
        """Score of the right choice minus that of the best other one."""
        return float(self.scores[right] - np.delete(self.scores, right).max())


def compared(
    metric: Metric, questions: Sequence[Question], base: Sequence[Answer], candidate: Sequence[Answer],
    stopped_early: bool = False,
) -> TaskResult:  # fmt: skip
    """Both models' answers to `questions` as a result."""
    before, after = values(metric, questions, base), values(metric, questions, candidate)
    weights = np.array([one.weight for one in questions])
    choosing = all(len(one.choices) > 1 for one in questions)
    return TaskResult(
        metric=metric, questions=len(questions), stopped_early=stopped_early,
        chance=_chance(metric, questions, weights) if choosing else None,
        always_the_same=most_common_share(questions) if metric == "accuracy" else None,
        base=_side(metric, questions, base, before, weights),
        candidate=_side(metric, questions, candidate, after, weights),
        delta=_difference(metric, questions, base, candidate, before, after, weights),
        slices=_slices(questions, before, after, weights),
        flips=_flips(questions, base, candidate) if choosing else (),
    )  # fmt: skip


def compared_writing(
    metric: Metric, questions: Sequence[Question], base: Sequence[str], candidate: Sequence[str],
    judge: Callable[[Question, str], float],
) -> TaskResult:  # fmt: skip
    """What both models wrote to `questions` as a result; texts that differ are kept, the largest changes first."""
    before, after = (np.array([judge(question, text) for question, text in zip(questions, side, strict=True)])
                     for side in (base, candidate))  # fmt: skip
    changed = sorted((number for number in range(len(questions)) if base[number] != candidate[number]),
                     key=lambda number: -abs(after[number] - before[number]))[:FLIPS_KEPT]  # fmt: skip
    kept = tuple(
        Written(
            question=_short(questions[number].text + questions[number].ask),
            expected=_short(" | ".join(questions[number].choices)), base=_short(base[number]),
            candidate=_short(candidate[number]),
        )
        for number in changed
    )  # fmt: skip
    return paired_values(metric, before, after).model_copy(update={"written": kept})


def paired_values(metric: str, before: Floats, after: Floats) -> TaskResult:
    """A score of each item by both models as a result. Where all are 0 or 1 they are shares, and flips are counted."""
    binary = bool(np.isin(np.concatenate((before, after)), (0.0, 1.0)).all())
    base, candidate = (
        Side(score=float(side.mean()), ci95=wilson(int(side.sum()), len(side)) if binary else interval(side))
        for side in (before, after)
    )
    return TaskResult(
        metric=metric, questions=len(before), base=base, candidate=candidate,
        delta=Difference(
            score=float((after - before).mean()), ci95=interval(after - before), detectable=detectable(after - before),
            lost=int(((before == 1) & (after == 0)).sum()) if binary else 0,
            won=int(((before == 0) & (after == 1)).sum()) if binary else 0,
        ),
    )  # fmt: skip


def _chance(metric: Metric, questions: Sequence[Question], weights: Floats) -> float:
    """Of who guesses; of transcripts, of the recognizer alone, whose best one comes first where it has no scores."""
    if metric == "word_error_rate":
        first = [int(np.argmax(one.prior)) if one.prior else 0 for one in questions]
        return float(np.average([_value(one, at) for one, at in zip(questions, first, strict=True)], weights=weights))
    return float(np.mean([1 / len(one.choices) for one in questions]))


def values(metric: Metric, questions: Sequence[Question], answers: Sequence[Answer]) -> Floats:
    """What each question adds to the score: float64 [questions]."""
    if metric == "nats_per_token":
        pairs = zip(questions, answers, strict=True)
        return np.array([-float(one.log_likelihoods[asked.right]) / one.tokens for asked, one in pairs])
    return np.array([_value(asked, one.chosen) for asked, one in zip(questions, answers, strict=True)])


def _value(question: Question, chosen: int) -> float:
    return question.value[chosen] if question.value else float(chosen == question.right)


def _side(
    metric: Metric, questions: Sequence[Question], answers: Sequence[Answer], found: Floats, weights: Floats
) -> Side:
    score = float(np.average(found, weights=weights))
    share = metric in ("accuracy", "stereotyped")
    pairs = list(zip(questions, answers, strict=True))
    choosing = all(len(one.choices) > 1 for one in questions)
    return Side(
        score=score,
        ci95=wilson(int(found.sum()), len(found)) if share else _weighted_interval(found, weights),
        log_likelihood=float(np.mean([one.log_likelihoods[asked.right] for asked, one in pairs])),
        margin=float(np.mean([one.margin(asked.right) for asked, one in pairs])) if choosing else None,
        calibration=calibration(questions, answers) if metric == "accuracy" and choosing else None,
    )


def _difference(
    metric: Metric, questions: Sequence[Question], base: Sequence[Answer], candidate: Sequence[Answer],
    before: Floats, after: Floats, weights: Floats,
) -> Difference:  # fmt: skip
    choosing = all(len(one.choices) > 1 for one in questions)
    right = [(one.chosen == asked.right, other.chosen == asked.right, one.chosen != other.chosen)
             for asked, one, other in zip(questions, base, candidate, strict=True)]  # fmt: skip
    told = [(float(other.log_likelihoods[asked.right] - one.log_likelihoods[asked.right]),
             other.margin(asked.right) - one.margin(asked.right) if choosing else 0.0)
            for asked, one, other in zip(questions, base, candidate, strict=True)]  # fmt: skip
    return Difference(
        score=float(np.average(after - before, weights=weights)),
        ci95=_weighted_interval(after - before, weights),
        lost=sum(was and not now for was, now, _ in right) if choosing else 0,
        won=sum(now and not was for was, now, _ in right) if choosing else 0,
        moved=sum(moved and not was and not now for was, now, moved in right) if choosing else 0,
        log_likelihood=estimate([one for one, _ in told]),
        margin=estimate([one for _, one in told]) if choosing else None,
        detectable=detectable(after - before, weights),
    )


def _slices(questions: Sequence[Question], before: Floats, after: Floats, weights: Floats) -> tuple[Slice, ...]:
    groups = np.array([one.group for one in questions])
    found = []
    for group in dict.fromkeys(one.group for one in questions if one.group):
        here = groups == group
        change = (after - before)[here]
        found.append(Slice(
            group=group, questions=int(here.sum()),
            base=float(np.average(before[here], weights=weights[here])),
            candidate=float(np.average(after[here], weights=weights[here])),
            difference=Estimate(mean=float(np.average(change, weights=weights[here])),
                                ci95=_weighted_interval(change, weights[here])),
        ))  # fmt: skip
    return tuple(found)


def _flips(questions: Sequence[Question], base: Sequence[Answer], candidate: Sequence[Answer]) -> tuple[Flip, ...]:
    """Those that changed, lost ones first."""
    changed = [(asked, one, other) for asked, one, other in zip(questions, base, candidate, strict=True)
               if one.chosen != other.chosen]  # fmt: skip
    changed.sort(key=lambda of: (of[1].chosen != of[0].right, of[2].chosen != of[0].right))
    return tuple(
        Flip(
            question=_short(asked.text + asked.ask), choices=tuple(_short(choice) for choice in asked.choices),
            right=asked.right, base=tuple(one.probabilities.tolist()), candidate=tuple(other.probabilities.tolist()),
        )
        for asked, one, other in changed[:FLIPS_KEPT]
    )  # fmt: skip


def _short(text: str) -> str:
    """Its end, where it is long: there stands what is asked."""
    return text if len(text) <= SHOWN else f"... {text[-SHOWN:]}"


def calibration(questions: Sequence[Question], answers: Sequence[Answer]) -> Calibration:
    """Expected calibration error, Brier score and entropy of a model's answers."""
    confidence, correct, brier, entropy = [], [], [], []
    for asked, one in zip(questions, answers, strict=True):
        p = one.probabilities
        confidence.append(float(p.max()))
        correct.append(one.chosen == asked.right)
        brier.append(float(np.square(p - np.eye(len(p))[asked.right]).sum()))
        entropy.append(float(-(p * np.log(np.maximum(p, 1e-300))).sum()))
    bins = reliability(confidence, correct)
    error = sum(count * abs(mean - share) for mean, share, count in bins) / len(questions)
    return Calibration(error=error, brier=float(np.mean(brier)), entropy=float(np.mean(entropy)), bins=bins)


def reliability(confidence: Sequence[float], correct: Sequence[bool]) -> tuple[tuple[float, float, int], ...]:
    """(mean confidence, share that was right, how many) for each tenth of confidence that holds any."""
    sure, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    return tuple(
        (float(sure[bins == one].mean()), float(right[bins == one].mean()), int((bins == one).sum()))
        for one in range(BINS)
        if (bins == one).any()
    )


def estimate(found: Sequence[float]) -> Estimate:
    """The mean with Student's interval."""
    return Estimate(mean=float(np.mean(found)), ci95=interval(found))


def _weighted_interval(found: Floats, weights: Floats) -> Interval | None:
    """Of a ratio of sums, such as wrong words over words: linearized (Cochran 1977, section 6.3), Student's."""
    if len(found) < 2 or not np.isfinite(found).all():
        return None
    centre = float(np.average(found, weights=weights))
    spread = interval(weights * (found - centre) / weights.mean())
    return None if spread is None else (centre + spread[0], centre + spread[1])


def detectable(difference: Floats, weights: Floats | None = None) -> float | None:
    """The smallest true difference that a paired test at 5 % would find four times in five, with as many questions and
    as much spread as these have: (1.96 + 0.84) standard errors. None for fewer than two questions, and where
    nothing differs, which tells no spread."""
    if len(difference) < 2 or not difference.any():
        return None
    weights = np.ones(len(difference)) if weights is None else weights
    linear = weights * (difference - np.average(difference, weights=weights)) / weights.mean()
    return (Z95 + Z80) * float(linear.std(ddof=1)) / math.sqrt(len(difference))


def most_common_share(questions: Sequence[Question]) -> float:
    """The share of the most frequent answer: what a model reaches that always says the same."""
    return max(Counter(question.answer for question in questions).values()) / len(questions)


def wilson(right: int, of: int, z: float = Z95) -> Interval:
    """Wilson's score interval of a share (Wilson 1927): inside [0, 1], and honest for few and for extreme counts."""
    share = right / of
    centre = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return max(centre - half, 0.0), min(centre + half, 1.0)
