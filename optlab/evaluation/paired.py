"""The interval of a difference between two models that read the same words. Statistics only: NumPy in, numbers out.

Two models stumble over the same hard words, so their losses rise and fall together: the error bar of the *difference*
is many times smaller than the two separate bars suggest, and subtracting those is wrong. Within a window losses hang
together too (one topic, one document), so tokens are not independent draws. Therefore: one mean per window, and
Student's t over the windows (a cluster-robust interval; Cameron and Miller, A Practitioner's Guide to Cluster-Robust
Inference, 2015). Windows that are neighbours in one long document hang together as well, which widens the interval
(`effective_number`). All windows have the same number of predicted tokens, so the mean of the window means is the mean
over tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
FEWEST_TO_STOP = 8
FEWEST_FOR_CORRELATION = 5
LARGEST_CORRELATION = 0.9
FEWEST_DRAWS = 4.0
"""Fewer would make the interval many times wider and hold the truth no more often: a high correlation in a short
stretch is itself not well known."""

Interval = tuple[float, float]


def interval(
    window_means: Sequence[float] | NDArray[np.float64], level: float = LEVEL, consecutive: bool = False
) -> Interval | None:
    """Student's t interval of the mean of `window_means` (one number per window, any unit).

    consecutive: the windows are neighbours in one text, in order. Each then tells less than a draw of its own, so they
    count as `effective_number` of them. None when there is one window, or a mean that is not finite: then the data say
    nothing about the spread.
    """
    means = np.asarray(window_means, dtype=np.float64)
    if len(means) < 2 or not np.isfinite(means).all():
        return None
    centre = float(means.mean())
    number = effective_number(means) if consecutive else float(len(means))
    # The mean of the squares falls short of the variance by one effective draw, as by one draw when they are apart.
    half = student(number - 1, level) * float(means.std()) / math.sqrt(number - 1)
    return centre - half, centre + half


def effective_number(series: NDArray[np.float64]) -> float:
    """How many independent draws tell as much about the mean as this stretch of a series, at least `FEWEST_DRAWS`.

    n (1 - r) / (1 + r) for a first-order autoregression with lag-1 correlation r (Zwiers and von Storch, Taking Serial
    Correlation into Account in Tests of the Mean, Journal of Climate 8, 1995, equation 21). A short stretch shows too
    little of r, by (1 + 3 r) / n on average (Kendall, Biometrika 41, 1954), which is given back. Neighbours that differ
    more than chance would have it are no reason for a narrower interval: r is taken as 0 then.
    """
    count = len(series)
    if count < FEWEST_FOR_CORRELATION:
        return float(count)
    centred = series - series.mean()
    square = float(centred @ centred)
    if square == 0.0:
        return float(count)
    seen = float(centred[1:] @ centred[:-1]) / square
    r = min(max((count * seen + 1) / (count - 3), 0.0), LARGEST_CORRELATION)
    return max(count * (1 - r) / (1 + r), FEWEST_DRAWS)


def ratio_interval(difference: Interval | None) -> Interval | None:
    """The interval of a perplexity ratio: exp of the interval of the mean difference of losses (nats per token)."""
    return None if difference is None else (exponential(difference[0]), exponential(difference[1]))


def narrow_enough(difference: Interval | None, windows: int, percent: float | None) -> bool:
    """Whether a measurement may stop: the whole interval of the ratio is narrower than `percent` % of the ratio.

    Never before `FEWEST_TO_STOP` windows: an interval that is looked at after every window is sometimes narrow by luck,
    above all while there are few. Stopping that way costs some coverage (`tests/evaluation/test_paired.py` measures
    about 94 % instead of 95 %), which is why it is an option and a stopped result says so.
    """
    if difference is None or percent is None or windows < FEWEST_TO_STOP:
        return False
    low, high = difference
    return 100 * (exponential(high) - exponential(low)) < percent * exponential((low + high) / 2)


def exponential(x: float) -> float:
    """exp(x), infinite instead of an error where the number is too large: a broken model has such a perplexity."""
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


@lru_cache(maxsize=1024)
def student(degrees: float, level: float) -> float:
    """The two-sided quantile of Student's t: 12.71 for one degree of freedom at 95 %, 1.96 for very many."""
    from scipy.special import stdtrit  # imported late: 0.1 s that a page which only formats intervals need not pay

    return float(stdtrit(degrees, (1 + level) / 2))
