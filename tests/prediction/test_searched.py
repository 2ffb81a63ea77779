"""A recipe is searched as far as its damage comes near the least of its size; the anchors of a probe hold some."""

from __future__ import annotations

from optlab.prediction.frontier import Frontier
from optlab.prediction.predictor import Predictor
from optlab.prediction.searched import WANTED, Bargains, searched_anchors
from optlab.prediction.treatment import damage, treatment
from optlab.recipes import Recipe
from tests.prediction.states import state, truth, uniform, with_anchors

STATE = with_anchors(state(), 1.0)


def share(recipe: Recipe) -> float:
    done = treatment(STATE, recipe)
    return Bargains(STATE).share(done, damage(STATE, done))


def test_points_of_the_frontier_are_searched_and_uniform_recipes_are_less() -> None:
    points = [point.recipe for point in Frontier(Predictor(STATE)).points(12)][:-1]
    assert min(share(recipe) for recipe in points) > 0.95
    assert share(uniform(3, 32)) < 0.9
    assert share(Recipe()) == 0.0


def test_what_is_pruned_was_not_proposed_by_a_search() -> None:
    assert share(uniform(3, 32, 0.3)) == 0.0


def test_searched_anchors_lie_where_people_decide_and_are_always_the_same() -> None:
    found = searched_anchors(STATE)
    assert found == searched_anchors(STATE)
    assert 2 <= len(found) <= len(WANTED)
    assert all(share(recipe) > 0.95 for recipe in found)
    damages = [truth(STATE, recipe) for recipe in found]
    assert damages == sorted(damages, reverse=True)
