"""The sweep and the exact budget, against every combination tried out."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optlab.prediction import allocation
from optlab.prediction.allocation import Floats, sweep, within


def tables(values: Any, layers: int, choices: int) -> Any:
    return st.lists(values, min_size=layers * choices, max_size=layers * choices).map(
        lambda found: np.array(found, dtype=float).reshape(layers, choices)
    )


@st.composite
def problems(draw: st.DrawFn) -> tuple[Floats, Floats]:
    """(size, damage) of up to five layers with up to four choices, with many ties."""
    layers, choices = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    size = draw(tables(st.integers(1, 12), layers, choices))
    damage = draw(tables(st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0, 1.5, 3.0]), layers, choices))
    return size, damage


def every_combination(size: Floats, damage: Floats) -> tuple[Floats, Floats]:
    """Bytes and damage of all combinations."""
    rows = np.arange(len(size))
    all_ = np.array(list(product(range(size.shape[1]), repeat=len(size))))
    return size[rows, all_].sum(1), damage[rows, all_].sum(1)


@given(problems(), st.integers(1, 60))
@settings(deadline=None, max_examples=150)
def test_a_budget_is_answered_as_by_trying_every_combination(problem: tuple[Floats, Floats], budget: int) -> None:
    size, damage = problem
    sizes, harms = every_combination(size, damage)
    chosen = within(size, damage, budget)
    if chosen is None:
        assert sizes.min() > budget
        return
    rows = np.arange(len(size))
    assert size[rows, chosen].sum() <= budget
    assert damage[rows, chosen].sum() == pytest.approx(harms[sizes <= budget].min())


@given(problems(), st.floats(0.0, 2.0))
@settings(deadline=None, max_examples=100)
def test_no_combination_beats_the_sweep_at_any_price_of_a_byte(problem: tuple[Floats, Floats], price: float) -> None:
    size, damage = problem
    sizes, harms = every_combination(size, damage)
    hull = sweep(size, damage)
    assert (hull.damage + price * hull.size).min() == pytest.approx((harms + price * sizes).min())


@given(problems())
@settings(deadline=None)
def test_the_sweep_is_convex_and_says_what_its_choices_cost(problem: tuple[Floats, Floats]) -> None:
    size, damage = problem
    hull = sweep(size, damage)
    rows = np.arange(len(size))
    assert hull.size == pytest.approx(size[rows, hull.chosen].sum(1))
    assert hull.damage == pytest.approx(damage[rows, hull.chosen].sum(1))
    assert (np.diff(hull.size) > 0).all()
    slopes = np.diff(hull.damage) / np.diff(hull.size)
    assert (slopes < 0).all()
    assert (np.diff(slopes) >= -1e-9).all()


def test_a_forbidden_choice_is_never_taken() -> None:
    size, damage = np.array([[1.0, 2.0], [1.0, 2.0]]), np.array([[np.inf, 0.0], [5.0, 0.0]])
    assert 0 not in sweep(size, damage).chosen[:, 0]
    chosen = within(size, damage, 3.0)
    assert chosen is not None
    assert chosen.tolist() == [1, 0]


def test_swapped_it_finds_the_smallest_combination_of_so_much_damage() -> None:
    rng = np.random.default_rng(1)
    size, damage = rng.integers(1, 50, (6, 4)).astype(float), rng.random((6, 4))
    sizes, harms = every_combination(size, damage)
    chosen = within(damage, size, 2.0)
    assert chosen is not None
    rows = np.arange(6)
    assert damage[rows, chosen].sum() <= 2.0
    assert size[rows, chosen].sum() == pytest.approx(sizes[harms <= 2.0].min())


def test_thinning_long_lists_still_obeys_the_budget_and_stays_close(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    size, damage = rng.integers(1000, 9000, (40, 6)).astype(float), np.exp(rng.normal(-3, 1.5, (40, 6)))
    budget, rows = float(size.mean(1).sum()), np.arange(40)
    exact = within(size, damage, budget)
    monkeypatch.setattr(allocation, "LONGEST_LIST", 50)
    thinned = within(size, damage, budget)
    assert exact is not None and thinned is not None
    assert size[rows, thinned].sum() <= budget
    best = damage[rows, exact].sum()
    assert best - 1e-12 <= damage[rows, thinned].sum() <= 1.02 * best
