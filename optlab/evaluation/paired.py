"""The interval of a difference between two models that read the same words. Statistics only: NumPy in, numbers out.

Two models stumble over the same hard words, so their losses rise and fall together: the error bar of the *difference*
is many times smaller than the two separate bars suggest, and subtracting those is wrong. Within a window losses hang
together too (one topic, one document), so tokens are not independent draws. Therefore: one mean per window, and
Student's t over the windows (a cluster-robust interval; Cameron and Miller, A Practitioner's Guide to Cluster-Robust
Inference, 2015). Windows that are neighbours in one long document hang together as well, which widens the interval
(`slow_half_width`). All windows have the same number of predicted tokens, so the mean of the window means is the mean
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
FEWEST_COSINES = 2
"""One would have the quantile 12.7, and an interval of no use."""
Interval = tuple[float, float]


def interval(
    window_means: Sequence[float] | NDArray[np.float64], level: float = LEVEL, consecutive: bool = False
) -> Interval | None:
    """Student's t interval of the mean of `window_means` (one number per window, any unit).

    consecutive: the windows are neighbours in one text, in order. What is slow in them tells the uncertainty then
    (`slow_half_width`), but never less than draws of their own would have: an interval that is narrow by luck ends a
    measurement too early. None when there is one window, or a mean that is not finite: then the data say nothing about
    the spread.
    """
    means = np.asarray(window_means, dtype=np.float64)
    count = len(means)
    if count < 2 or not np.isfinite(means).all():
        return None
    centre = float(means.mean())
    half = student(count - 1, level) * float(means.std(ddof=1)) / math.sqrt(count)
    if consecutive:
        half = max(half, slow_half_width(means, level))
    return centre - half, centre + half


def slow_half_width(series: NDArray[np.float64], level: float = LEVEL) -> float:
    """Half of the interval of the mean of a stretch of a series whose neighbours hang together; two values or more.

    The mean of a correlated series is as uncertain as its slowest waves are high. So its variance is taken from the
    projections on the first v cosines, which are about independent and normal whatever the correlation is, and the
    quantile is that of Student's t with v degrees of freedom. v = 0.4 n^(2/3): Lazarus, Lewis, Stock and Watson, HAR
    Inference: Recommendations for Practice, Journal of Business & Economic Statistics 36, 2018, equations 3 and 4.
    """
    count = len(series)
    cosines = min(count - 1, max(FEWEST_COSINES, int(0.4 * count ** (2 / 3))))
    place = (np.arange(count) + 0.5) / count
    waves = math.sqrt(2 / count) * np.cos(np.pi * np.outer(np.arange(1, cosines + 1), place))
    long_run_variance = float(np.square(waves @ series).mean())
    return student(cosines, level) * math.sqrt(long_run_variance / count)


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
