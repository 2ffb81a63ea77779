"""Anchors lie where people decide, whatever the model can bear, and are the same ones at every call."""

from __future__ import annotations

import math

from optlab.prediction.anchors import COUNT, LEAST, MOST, candidates, others, telling
from optlab.prediction.levels import families
from optlab.recipes import Recipe
from tests.prediction import states

STATE = states.state()
FAMILIES = families([columns for _, columns in STATE.shapes])
SOME = candidates(STATE.names, FAMILIES)


def scaled(factor: float) -> list[Recipe]:
    """The anchors of a model in which everything costs `factor` times as much."""
    return telling(SOME, lambda recipe: factor * states.truth(STATE, recipe))


def test_every_candidate_lies_in_the_tables_and_is_another_recipe() -> None:
    hashes = [recipe.content_hash for recipe in [*SOME, *others(FAMILIES)]]
    assert len(set(hashes)) == len(hashes) > COUNT
    assert all(states.truth(STATE, recipe) > 0 for recipe in SOME)
    assert [r.content_hash for r in candidates(STATE.names, FAMILIES)] == hashes[: len(SOME)]


def test_a_frail_model_is_asked_gentler_questions() -> None:
    usual = math.log(MOST * LEAST) / 2  # the middle of the range, where the middle candidate shall lie
    damages = sorted(states.truth(STATE, recipe) for recipe in SOME)
    middle = math.exp(usual) / damages[len(damages) // 2]
    robust, frail = (scaled(factor * middle) for factor in (0.2, 5.0))
    assert len(robust) == len(frail) == COUNT

    def strength(some: list[Recipe]) -> float:
        return sum(math.log(states.truth(STATE, recipe)) for recipe in some) / len(some)

    assert strength(frail) < strength(robust)


def test_within_the_range_the_order_is_that_of_the_candidates() -> None:
    chosen = telling(SOME, lambda recipe: 1.0)
    assert chosen == SOME[:COUNT]
    outside = SOME[0]
    chosen = telling(SOME, lambda recipe: 2 * MOST if recipe is outside else 1.0)
    assert chosen == SOME[1 : COUNT + 1]


def test_further_families_have_one_anchor_each() -> None:
    found = [step.method for recipe in others(FAMILIES) for step in recipe.steps]
    assert sorted(found) == ["gptq", "rtn", "sparsegpt", "wanda"]
