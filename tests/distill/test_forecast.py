"""The forecast against laws that are known, and how often its band holds the end."""

from __future__ import annotations

import math

import numpy as np
import pytest

from optlab.distill import forecast

SHARES = np.arange(1, 9) / 20


def law(x: np.ndarray | float, floor: float, scale: float, exponent: float) -> np.ndarray:
    return floor + scale * np.asarray(x) ** -exponent


@pytest.mark.parametrize(("floor", "scale", "exponent"), [(3.0, 0.2, 0.5), (2.0, 1.0, 0.15), (4.0, 0.02, 1.3)])
def test_a_curve_that_is_a_power_law_is_foretold_exactly(floor: float, scale: float, exponent: float) -> None:
    found = forecast.fit(SHARES, law(SHARES, floor, scale, exponent))
    end = float(law(1.0, floor, scale, exponent))
    assert found is not None
    assert found.nll == pytest.approx(end, abs=0.02)
    assert found.holds(end)
    assert found.high - found.low < 0.2 * (law(SHARES[0], floor, scale, exponent) - end)


@pytest.mark.parametrize("noise", [0.003, 0.02])
def test_the_band_holds_the_end_as_often_as_it_says(noise: float) -> None:
    generator = np.random.default_rng(0)
    inside = []
    for _ in range(120):
        floor, scale = generator.uniform(1, 5), generator.uniform(0.05, 0.8)
        truth = law(np.append(SHARES, 1.0), floor, scale, generator.uniform(0.1, 1.5))
        seen = truth + noise * generator.standard_normal(len(truth))
        found = forecast.fit(SHARES, seen[:-1])
        assert found is not None
        inside.append(found.holds(seen[-1]))
    assert 0.84 <= np.mean(inside) <= 0.97


def test_more_of_the_curve_narrows_the_band() -> None:
    losses = law(np.arange(1, 17) / 20, 3.0, 0.3, 0.4) + 0.005 * np.random.default_rng(1).standard_normal(16)
    bands = [forecast.fit(np.arange(1, n + 1) / 20, losses[:n]) for n in (6, 10, 16)]
    widths = [band.high - band.low for band in bands if band is not None]
    assert len(widths) == 3
    assert widths[0] > widths[1] > widths[2]


def test_only_the_first_part_is_looked_at_whatever_came_later() -> None:
    curve = [[1, 9.0, 0.1]] + [[n * 50, float(law(n / 20, 3.0, 0.3, 0.4)), n * 1.0] for n in range(1, 21)]
    whole = forecast.of_training(curve, 1000, None)
    begun = forecast.of_training(curve[:9], 1000, None)
    assert whole == begun
    assert whole is not None and (whole.points, whole.share) == (8, 0.4)
    by_time = forecast.of_training([[step * 7, loss, spent] for step, loss, spent in curve], 10**6, 20.0)
    assert by_time is not None and by_time.nll == pytest.approx(whole.nll)


def test_too_little_is_no_forecast() -> None:
    assert forecast.of_training([], 100, None) is None
    assert forecast.of_training([[n * 50, 3.0, 1.0] for n in range(1, 5)], 1000, None) is None
    assert forecast.fit(SHARES, [math.nan] * 8) is None


def test_a_curve_that_does_not_fall_is_expected_to_stay() -> None:
    found = forecast.fit(SHARES, [2.0] * 8)
    assert found is not None
    assert found.nll == pytest.approx(2.0, abs=0.01)
