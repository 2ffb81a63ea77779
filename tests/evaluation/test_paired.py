"""The paired interval: closed forms, and how often it holds the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from optlab.evaluation.paired import (
    FEWEST_TO_STOP,
    exponential,
    interval,
    narrow_enough,
    ratio_interval,
    slow_half_width,
    student,
)


def test_two_windows_have_the_textbook_interval() -> None:
    # mean 1, standard deviation sqrt(2), divided by sqrt(2) is 1; t of one degree of freedom is tan(0.475 pi) = 12.706
    assert interval([0.0, 2.0]) == pytest.approx((1 - math.tan(0.475 * math.pi), 1 + math.tan(0.475 * math.pi)))


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=30))
def test_equals_scipys_t_interval(values: list[float]) -> None:
    low, high = interval(values)
    error = stats.sem(values)
    if error < 1e-9:
        assert high - low < 1e-6
    else:
        assert (low, high) == pytest.approx(stats.t.interval(0.95, len(values) - 1, np.mean(values), error))


def test_quantiles_of_student() -> None:
    assert student(1, 0.95) == pytest.approx(12.7062, rel=1e-5)
    assert student(10**7, 0.95) == pytest.approx(1.95996, rel=1e-5)


@pytest.mark.parametrize("values", [[], [0.3], [0.1, math.nan], [0.1, math.inf]])
def test_without_a_spread_there_is_no_interval(values: list[float]) -> None:
    assert interval(values) is None
    assert ratio_interval(interval(values)) is None


def test_the_ratios_interval_is_the_exponential() -> None:
    assert ratio_interval((0.0, math.log(2))) == pytest.approx((1.0, 2.0))
    assert exponential(1e6) == math.inf


def test_stops_only_when_narrow_and_not_before_enough_windows() -> None:
    narrow = (math.log(1.20), math.log(1.21))  # 0.8 % wide
    assert narrow_enough(narrow, FEWEST_TO_STOP, 1.0)
    assert not narrow_enough(narrow, FEWEST_TO_STOP - 1, 1.0)
    assert not narrow_enough(narrow, 100, 0.5)
    assert not narrow_enough(narrow, 100, None)
    assert not narrow_enough(None, 100, 1.0)


def correlated_losses(generator: np.random.Generator, windows: int, tokens: int = 20) -> np.ndarray:
    """Differences [windows, tokens] with mean 0, of which a part is common to all tokens of a window."""
    return 0.1 * generator.normal(size=(windows, 1)) + 0.2 * generator.standard_t(5, size=(windows, tokens))


def test_holds_the_truth_95_times_of_100() -> None:
    generator = np.random.default_rng(0)
    trials = [interval(correlated_losses(generator, 16).mean(axis=1)) for _ in range(2000)]
    assert np.mean([low < 0 < high for low, high in trials]) == pytest.approx(0.95, abs=0.02)


def test_treating_tokens_as_independent_would_not() -> None:
    generator = np.random.default_rng(0)
    trials = [interval(correlated_losses(generator, 16).reshape(-1)) for _ in range(1000)]
    assert np.mean([low < 0 < high for low, high in trials]) < 0.85


def autoregression(generator: np.random.Generator, count: int, r: float, trials: int) -> np.ndarray:
    """Series [trials, count] of mean 0 and variance 1 whose neighbours correlate by r."""
    series = generator.normal(size=(trials, count))
    for t in range(1, count):
        series[:, t] = r * series[:, t - 1] + math.sqrt(1 - r * r) * series[:, t]
    return series


@pytest.mark.parametrize("count", [8, 16, 64])
@pytest.mark.parametrize("r", [0.0, 0.2, 0.3])
def test_holds_the_truth_where_neighbours_correlate(count: int, r: float) -> None:
    trials = [interval(one, consecutive=True) for one in autoregression(np.random.default_rng(2), count, r, 4000)]
    # Independent ones are held more often than promised, because the interval is never narrower than theirs.
    assert 0.93 <= np.mean([low < 0 < high for low, high in trials]) <= 0.99


@pytest.mark.parametrize("count", [8, 16, 64])
def test_the_slow_part_alone_holds_the_truth_as_often_as_promised(count: int) -> None:
    for r in (0.0, 0.3):
        series = autoregression(np.random.default_rng(4), count, r, 4000)
        held = np.mean([abs(one.mean()) < slow_half_width(one) for one in series])
        assert held == pytest.approx(0.95, abs=0.02)


def test_counting_neighbours_as_independent_would_not() -> None:
    trials = [interval(one) for one in autoregression(np.random.default_rng(2), 16, 0.3, 4000)]
    assert np.mean([low < 0 < high for low, high in trials]) < 0.88


def test_a_long_series_has_the_variance_that_its_correlation_says() -> None:
    series = autoregression(np.random.default_rng(3), 20_000, 0.5, 50)
    expected = student(294, 0.95) * math.sqrt((1 + 0.5) / (1 - 0.5) / 20_000)
    assert np.mean([slow_half_width(one) for one in series]) == pytest.approx(expected, rel=0.05)


def test_neighbours_never_make_the_interval_narrower() -> None:
    turning = np.array([1.0, -1.0] * 10)
    low, high = interval(turning)
    assert slow_half_width(turning) < 0.5 * (high - low) / 2
    assert interval(turning, consecutive=True) == (low, high)
    assert interval([0.0, 2.0], consecutive=True) == pytest.approx(interval([0.0, 2.0]))
    assert interval(np.ones(20), consecutive=True) == pytest.approx((1.0, 1.0))


@pytest.mark.parametrize("c", [False, True], ids=["strewn", "consecutive"])
def test_stopping_when_narrow_costs_little_coverage(c: bool) -> None:
    generator = np.random.default_rng(1)
    held, stopped = [], []
    for _ in range(2000):
        means = correlated_losses(generator, 64).mean(axis=1)
        count = next(n for n in range(2, 65) if n == 64 or narrow_enough(interval(means[:n], consecutive=c), n, 10.0))
        low, high = interval(means[:count], consecutive=c)
        held.append(low < 0 < high)
        stopped.append(count)
    assert FEWEST_TO_STOP <= np.median(stopped) < 40  # the rule is at work
    assert np.mean(held) > 0.91
