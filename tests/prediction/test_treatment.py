"""Probed levels are read back as they are, others lie between, and what was not probed is refused with a reason."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab.prediction.treatment import Outside, between, damage, global_threshold, treatment
from optlab.recipes import Recipe, Step
from tests.prediction.states import end_law, state, truth, uniform


def quantize(bits: int, group: int | None = 32, layers: str | None = None) -> Recipe:
    return Recipe.of(Step("quantize", "rtn", {"bits": bits, "group_size": group}, layers))


@pytest.mark.parametrize(("bits", "group"), [(2, 32), (4, None), (8, 32)])
def test_a_probed_level_is_read_back(bits: int, group: int | None) -> None:
    found = state()
    table = next(iter(one for key, one in found.tables.items() if key.startswith("quantize")))
    level = table.levels.index({"bits": bits, "group_size": group})
    assert truth(found, quantize(bits, group)) == pytest.approx(table.damage[:, level].sum())


def test_seven_bits_follow_the_power_of_two_between_six_and_eight() -> None:
    found = state()
    assert truth(found, quantize(7)) == pytest.approx(truth(found, quantize(6)) / 4)


def test_sparsities_between_probed_ones_follow_their_power() -> None:
    found = state()
    step = lambda s: Recipe.of(Step("prune", "magnitude", {"sparsity": s}))  # noqa: E731
    assert truth(found, step(0.25)) == pytest.approx(truth(found, step(0.5)) / 8, rel=1e-6)
    assert truth(found, step(0.0)) == 0.0


def test_layers_that_no_expression_names_stay_whole() -> None:
    found = state()
    one = damage(found, treatment(found, quantize(3, layers=r"model\.layers\.1\.")))
    assert [block for block, lost in zip(found.blocks, one.total, strict=True) if lost] == [1, 1, 1]
    assert one.kept[0] == 1.0


def test_a_global_share_falls_where_the_small_weights_are() -> None:
    sizes = np.stack([np.linspace(0, 1, 513), np.linspace(0, 9, 513)])
    # Of 9 + 1 weights in all, 8 lie below the threshold: t * 9 + t / 9 * 1 = 5 for t = 45 / 82.
    assert global_threshold(sizes, np.array([9.0, 1.0]), 0.5) == pytest.approx(45 / 82, abs=0.01)


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        (Recipe.of(Step("distill", "forward_kl")), "distill"),
        (Recipe.of(Step("quantize", "nf4")), "not probed"),
        (Recipe.of(Step("prune", "magnitude", {"sparsity": 0.9})), "beyond"),
        (Recipe.of(Step("quantize", "rtn", {"group_size": 16})), "outside"),
        (Recipe.of(Step("quantize", "nf4", {}, ".*embed")), "not probed on model.embed_tokens"),
        (Recipe.of(*quantize(4, layers=".*").steps, *quantize(3, layers=".*embed").steps), "embed_tokens is quantized"),
        (Recipe.of(Step("prune", "magnitude", {"sparsity": 0.3}, ".*")), "embedding and head"),
        (Recipe.of(Step("cache", "kv", {})), "cache"),
        (quantize(4, layers="transformer.*"), "names nothing"),
        (Recipe.of(Step("prune", "wanda", {"pattern": "heads"})), "another shape"),
        (Recipe.of(*quantize(4).steps, *quantize(3).steps), "twice"),
    ],
)
def test_what_was_not_probed_is_refused_with_the_reason(recipe: Recipe, says: str) -> None:
    found = state()
    with pytest.raises(Outside, match=says):
        damage(found, treatment(found, recipe))


def of_everything(bits: int, group: int | None) -> float:
    found = state()
    one = damage(found, treatment(found, quantize(bits, group, layers=".*")))
    assert one.total.sum() == pytest.approx(truth(found, quantize(bits, group)))
    return one.ends


@pytest.mark.parametrize(("bits", "group"), [(2, 32), (4, 32), (7, 32), (4, None), (3, None)])
def test_embedding_and_head_add_what_rounding_them_alone_was_measured_to_cost(bits: int, group: int | None) -> None:
    assert of_everything(bits, group) == pytest.approx(end_law(bits, group))


def test_an_embedding_that_was_not_probed_yet_is_said_not_to_be_known() -> None:
    found = state()
    found.ends = []
    with pytest.raises(Outside, match=r"model\.embed_tokens"):
        damage(found, treatment(found, quantize(4, layers=".*")))


def test_pruning_adds_to_rounding() -> None:
    found = state()
    both, alone = truth(found, uniform(4, 32, 0.3)), truth(found, uniform(4, 32))
    assert both == pytest.approx(alone + truth(found, Recipe.of(Step("prune", "magnitude", {"sparsity": 0.3}))))


@given(
    places=st.lists(st.floats(0, 1), min_size=1, max_size=6, unique=True).map(sorted),
    x=st.lists(st.floats(-1, 2), min_size=1, max_size=9), seed=st.integers(0, 1000),
)  # fmt: skip
def test_between_is_interpolation_of_every_row_by_itself(places: list[float], x: list[float], seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(len(x), len(places)))
    found = between(np.array(places), values, np.array(x))
    assert found == pytest.approx([np.interp(at, places, row) for at, row in zip(x, values, strict=True)], abs=1e-6)


def test_what_measuring_refuses_is_refused_by_predicting_in_the_same_words() -> None:
    half, float_zero = Step("prune", "magnitude", {"sparsity": 0.5}), Step("quantize", "hqq", {"group_size": 32})
    with pytest.raises(Outside, match="a float zero point has no level for 0"):
        treatment(state(), Recipe.of(half, float_zero))
    assert not any(treatment(state(), Recipe.of(float_zero)).pruning)
