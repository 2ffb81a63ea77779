"""A chart of very many points keeps what matters of them, whatever they are."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from optlab.figures.thinning import thinned

values = st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, math.inf, math.nan])
clouds = st.lists(st.tuples(values, values), max_size=60)


def beaten(point: tuple[float, float], others: list[tuple[float, float]]) -> bool:
    return any(other[0] <= point[0] and other[1] <= point[1] and other != point for other in others)


@given(clouds, st.integers(1, 20))
def test_the_front_is_kept_and_no_more_than_asked_for_beside_it(cloud: list[tuple[float, float]], most: int) -> None:
    kept = thinned([x for x, _ in cloud], [y for _, y in cloud], most)
    assert kept == sorted(set(kept))
    if len(cloud) <= most:
        assert kept == list(range(len(cloud)))
        return
    drawable = [point for point in cloud if all(map(math.isfinite, point))]
    front = {point for point in drawable if not beaten(point, drawable)}
    assert front <= {cloud[place] for place in kept} <= set(drawable)
    assert len(kept) <= max(most, len(front))


def test_a_point_that_stands_alone_is_drawn_and_a_cloud_stays_one() -> None:
    chance = np.random.default_rng(0)
    x, y = chance.normal(0, 1, 5000), chance.normal(0, 1, 5000)
    x[4321], y[4321] = 30.0, 30.0
    kept = thinned(x.tolist(), y.tolist(), 300)
    assert len(kept) == 300
    assert 4321 in kept
    for values in (x, y):
        rest = np.delete(values, 4321)
        drawn = values[[place for place in kept if place != 4321]]
        assert drawn.min() < np.quantile(rest, 0.005) and drawn.max() > np.quantile(rest, 0.995)


def test_points_that_lie_on_each_other_are_drawn_once() -> None:
    assert thinned([1.0] * 500, [2.0] * 500, 100) == [0]
