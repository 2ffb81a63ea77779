"""A recipe is searched as far as its damage comes near the least of its size; the anchors of a probe hold some."""

from __future__ import annotations

import numpy as np

from optlab.prediction.frontier import Frontier
from optlab.prediction.levels import families
from optlab.prediction.predictor import Predictor
from optlab.prediction.searched import WANTED, Bargains, searched_anchors
from optlab.prediction.treatment import damage, treatment
from optlab.recipes import Recipe
from tests.prediction.states import state, table, truth, uniform, with_anchors

STATE = with_anchors(state(), 1.0)


def share(recipe: Recipe) -> float:
    done = treatment(STATE, recipe)
    return Bargains(STATE).share(done, damage(STATE, done))


def test_points_of_the_frontier_are_searched_and_uniform_recipes_are_less() -> None:
    points = [point.recipe for point in Frontier(Predictor(STATE)).points(12)][:-1]
    assert min(share(recipe) for recipe in points) > 0.95
    assert share(uniform(3, 32)) < 0.9
    assert share(Recipe()) == 0.0


def test_the_best_rounding_was_searched_however_much_better_another_method_is() -> None:
    both = with_anchors(state(), 1.0)
    gptq = next(one for one in families([columns for _, columns in both.shapes]) if one.method == "gptq")
    both.tables[gptq.key] = table(both, gptq, np.full(len(both.names), 1e-3))
    recipe = Frontier(Predictor(both), ("rtn",)).points(12)[2].recipe
    done = treatment(both, recipe)
    assert Bargains(both).share(done, damage(both, done)) > 0.95


def test_what_is_pruned_was_not_proposed_by_a_search() -> None:
    assert share(uniform(3, 32, 0.3)) == 0.0


def test_searched_anchors_lie_where_people_decide_and_are_always_the_same() -> None:
    found = searched_anchors(STATE)
    assert found == searched_anchors(STATE)
    assert 2 <= len(found) <= len(WANTED)
    assert all(share(recipe) > 0.95 for recipe in found)
    damages = [truth(STATE, recipe) for recipe in found]
    assert damages == sorted(damages, reverse=True)
