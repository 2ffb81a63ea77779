"""The share that a knob explains: 1 where it decides alone, 0 where it does nothing, none for one value each."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab.advice.knob_importance import Tried, drawn, epsilon_squared, explained, settings
from optlab.recipes import Recipe, Step

PAIRS = st.lists(st.tuples(st.sampled_from("abc"), st.floats(-10, 10)), max_size=20)


def run(number: int, ratio: float | None, bits: str = "", sparsity: str = "") -> Tried:
    knobs = {"method": "rtn", "bits": bits, "group": "", "sparsity": sparsity, "training": ""}
    return Tried(number, knobs, {"ppl": ratio, "size": 0.5, "speed": None})  # type: ignore[arg-type]


def test_a_knob_that_decides_alone_explains_everything_and_the_other_nothing() -> None:
    grid = [run(n, math.exp(int(bits)), bits, zeros)
            for n, (bits, zeros) in enumerate(product(("2", "3", "4", "8"), ("0", "0.5")))]  # fmt: skip
    assert explained(grid, "ppl") == pytest.approx({"bits": 1.0, "sparsity": 0.0})  # method never moved
    assert explained(grid, "size") == explained(grid, "speed") == {}  # nothing differs, nothing known


def test_in_a_large_balanced_sample_it_is_the_first_order_sobol_index() -> None:
    a, b = np.array([0.0, 1.0, 5.0]), np.array([0.0, 2.0])
    pairs = [(str(i), a[i] + b[j]) for i, j in product(range(3), range(2))] * 500
    assert epsilon_squared(pairs) == pytest.approx(a.var() / (a.var() + b.var()), rel=0.005)


def test_a_value_for_each_run_explains_nothing() -> None:
    assert epsilon_squared([(str(n), float(n)) for n in range(8)]) is None


def test_noise_is_hardly_explained_by_a_knob_with_many_values() -> None:
    rng = np.random.default_rng(0)
    shares = [epsilon_squared([(str(n % 15), rng.normal()) for n in range(30)]) or 0.0 for _ in range(50)]
    assert np.mean(shares) < 0.15  # the plain correlation ratio gives 14 / 29


@given(PAIRS)
def test_a_share_is_a_share_and_does_not_depend_on_the_order(pairs: list[tuple[str, float]]) -> None:
    share = epsilon_squared(pairs)
    assert share is None or 0 <= share <= 1
    turned = epsilon_squared(pairs[::-1])
    assert (share is None) == (turned is None)
    assert share is None or (turned is not None and math.isclose(share, turned, abs_tol=1e-6))


def test_settings_are_told_in_words() -> None:
    recipe = Recipe.of(
        Step("prune", "wanda", {"sparsity": 0.5}), Step("quantize", "rtn", {"bits": 4, "group_size": 64})
    )
    assert settings(recipe) == {"method": "wanda + rtn", "bits": "4", "group": "64", "sparsity": "0.5", "training": ""}


def test_what_has_no_logarithm_is_not_drawn() -> None:
    assert drawn([run(1, None), run(2, math.inf), run(3, 1.5)]).worse == [1.5]
