"""The frontier is never above what a person finds by hand, keeps its promises, and answers in recipes."""

import math
import random
from typing import Any

import numpy as np
import pytest

from optlab.errors import OptLabError
from optlab.prediction.frontier import Frontier, Point, menu
from optlab.prediction.mixed import recipe_of
from optlab.prediction.state import State
from optlab.recipes import Recipe, Step
from tests.prediction.states import Trusting, state


@pytest.fixture
def probed() -> State:
    return state()


@pytest.fixture
def frontier(probed: State) -> Frontier:
    return Frontier(Trusting(probed))  # type: ignore[arg-type]


def uniform(bits: int, group: int | None) -> Recipe:
    return Recipe.of(Step("quantize", "rtn", {"bits": bits, "group_size": group}))


def test_every_uniform_recipe_is_beaten_or_met_at_its_own_size(frontier: Frontier, probed: State) -> None:
    for bits in (2, 3, 4, 6):
        for group in (32, None):
            plain = Trusting(probed).predict(uniform(bits, group))
            found = frontier.at_most_bytes(plain.size_bytes)
            assert found.prediction.size_bytes <= plain.size_bytes
            assert found.prediction.nll <= plain.nll * (1 + 1e-9)


def test_random_mixed_recipes_never_beat_the_budget_answer(frontier: Frontier, probed: State) -> None:
    rng = random.Random(0)
    steps = [Step("quantize", "rtn", {"bits": b, "group_size": g}) for b in (2, 3, 4, 5, 8) for g in (32, None)]
    better = 0
    for _ in range(20):
        mixed = recipe_of({name: [rng.choice(steps)] for name in probed.names})
        plain = Trusting(probed).predict(mixed)
        found = frontier.at_most_bytes(plain.size_bytes)
        assert found.prediction.nll <= plain.nll * (1 + 1e-9)
        better += found.prediction.nll < 0.7 * plain.nll
    assert better > 10


def test_points_rise_in_size_and_fall_in_damage(frontier: Frontier) -> None:
    points = frontier.points(15)
    sizes = [point.prediction.size_bytes for point in points]
    losses = [point.prediction.nll for point in points]
    assert len(points) > 8
    assert sizes == sorted(set(sizes))
    assert losses == sorted(losses, reverse=True)
    assert points[-1].recipe == Recipe()


def test_a_point_is_a_recipe_that_can_be_written_down_and_read_again(frontier: Frontier, probed: State) -> None:
    point = frontier.points(9)[4]
    again = Recipe.from_yaml(point.recipe.to_yaml())
    assert again == point.recipe
    assert any(step.layers for step in again.steps)
    assert Trusting(probed).predict(again).nll == pytest.approx(point.prediction.nll)
    told = point.document().to_dict()
    assert set(told) >= {"size_bytes", "nll", "nll_band90", "decode_ms_per_token", "recipe"}


def test_the_sums_that_were_optimized_are_those_of_the_recipe(frontier: Frontier) -> None:
    rows = np.arange(len(frontier.menu.size))
    for corner in (0, len(frontier.hull.size) // 2, len(frontier.hull.size) - 1):
        chosen = frontier.hull.chosen[corner]
        point = frontier.point(chosen)
        assert point.prediction.nll == pytest.approx(frontier.menu.damage[rows, chosen].sum())
        assert frontier.hull.damage[corner] == pytest.approx(point.prediction.nll)


def test_a_budget_below_the_smallest_file_is_refused_with_the_number_that_would_work(frontier: Frontier) -> None:
    smallest = frontier.points()[0].prediction.size_bytes
    assert frontier.at_most_bytes(smallest).prediction.size_bytes == smallest
    with pytest.raises(OptLabError, match=f"{smallest:,}"):
        frontier.at_most_bytes(smallest - 1)


def test_a_generous_budget_leaves_the_model_alone(frontier: Frontier) -> None:
    assert frontier.at_most_bytes(10**9).recipe == Recipe()


@pytest.mark.parametrize("ratio", [1.0, 1.05, 1.5, 4.0])
def test_a_perplexity_limit_is_kept_and_used_up(frontier: Frontier, ratio: float) -> None:
    found = frontier.at_most_ratio(ratio)
    assert math.exp(found.prediction.nll) <= ratio * (1 + 1e-9)
    corner = int(np.flatnonzero(np.isclose(frontier.hull.damage, found.prediction.nll))[0])
    if corner:
        assert math.exp(frontier.hull.damage[corner - 1]) > ratio


def test_a_better_model_than_the_original_cannot_be_asked_for(frontier: Frontier) -> None:
    with pytest.raises(OptLabError, match="use 1 or more"):
        frontier.at_most_ratio(0.9)


def test_a_speed_is_answered_with_the_least_damaged_that_reaches_it(frontier: Frontier) -> None:
    points = frontier.points()
    wanted = 1000 / (points[20].prediction.decode_ms or 1.0)
    found = frontier.at_least_speed(wanted * (1 - 1e-9))
    assert found.prediction.nll == points[20].prediction.nll
    with pytest.raises(OptLabError, match="or less"):
        frontier.at_least_speed(1e12)


def test_pruning_is_offered_when_asked_for_and_can_only_help(probed: State, frontier: Frontier) -> None:
    both = Frontier(Trusting(probed), prunings=("magnitude",))  # type: ignore[arg-type]
    assert len(both.menu.choices) > 5 * len(frontier.menu.choices)
    for budget in (36_000, 45_000, 60_000):
        without, with_ = frontier.at_most_bytes(budget), both.at_most_bytes(budget)
        assert with_.prediction.nll <= without.prediction.nll * (1 + 1e-9)
        assert with_.prediction.size_bytes <= budget


def test_an_unfinished_probe_says_so(probed: State) -> None:
    for table in probed.tables.values():
        table.damage[:] = np.nan
    with pytest.raises(OptLabError, match="let the probe finish"):
        Frontier(Trusting(probed))  # type: ignore[arg-type]


def test_the_menu_offers_at_least_six_choices_for_each_layer(probed: State) -> None:
    found: Any = menu(probed)
    assert found.size.shape == found.damage.shape == (len(probed.names), len(found.choices))
    assert len(found.choices) >= 7
    assert np.isfinite(found.damage).all()
    original = found.choices.index(())
    assert (found.damage[:, original] == 0).all()
    assert (found.size[:, original] == [2 * rows * columns for rows, columns in probed.shapes]).all()


def test_points_carry_what_the_predictor_said(frontier: Frontier) -> None:
    point = frontier.points(5)[2]
    assert isinstance(point, Point)
    assert point.document().nll_band90 == (point.prediction.nll / 2, 2 * point.prediction.nll)
