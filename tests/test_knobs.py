"""A recipe as three knobs and what stays: there and back again for every stop, and no knobs where one would lie."""

from __future__ import annotations

from itertools import product

import pytest

from optlab.errors import RecipeError
from optlab.knobs import EVERYTHING, KNOB, WORDS, KnobbedRecipe, Knobs, knobs_of, treats_words, with_words
from optlab.methods import REGISTRY, method
from optlab.presets import PRESETS, Preset
from optlab.recipes import Recipe, Step
from tests.pages import samples

NANO = samples.description()
QUANTIZED = Step("quantize", "rtn", {"bits": 4, "group_size": 64})
PRUNED = Step("prune", "wanda", {"sparsity": 0.5})
TRAINED = Step("distill", "reverse_kl", {"temperature": 2.0})
CACHED = Step("cache", "kv", {})
WORDS_TOO = Step("quantize", "rtn", {"bits": 4, "group_size": 64}, WORDS)


def knobbed(*steps: Step) -> KnobbedRecipe:
    found = KnobbedRecipe.of(Recipe.of(*steps), NANO)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(), Recipe.of(QUANTIZED), Recipe.of(PRUNED), Recipe.of(TRAINED), Recipe.of(PRUNED, QUANTIZED),
        Recipe.of(PRUNED, TRAINED, QUANTIZED, CACHED), Recipe.of(QUANTIZED, WORDS_TOO), Recipe.of(WORDS_TOO, CACHED),
    ],
    ids=lambda recipe: recipe.content_hash[:4],
)  # fmt: skip
def test_a_recipe_is_the_one_at_its_knobs(recipe: Recipe) -> None:
    assert knobbed(*recipe.steps).recipe(knobs_of(recipe)) == recipe


def test_every_stop_is_a_recipe_whose_knobs_stand_there() -> None:
    one = knobbed(PRUNED, QUANTIZED)
    for stop in product(one.bits(), one.sparsities(), [None, *one.temperatures()]):
        assert knobs_of(one.recipe(Knobs(*stop))) == Knobs(*stop)


def test_stops_are_the_declared_ones_and_both_ends() -> None:
    one = knobbed(PRUNED, QUANTIZED)
    assert one.bits() == [2, 3, 4, 5, 6, 7, 8, None]
    assert one.sparsities() == [round(0.05 * number, 2) for number in range(20)]


def test_a_pattern_leaves_only_the_sparsity_that_it_allows() -> None:
    assert knobbed(Step("prune", "magnitude", {"sparsity": 0.5, "pattern": "2:4"})).sparsities() == [0.0, 0.5]


def test_a_value_between_stops_is_a_stop_while_it_is_used() -> None:
    assert 0.37 in knobbed(PRUNED).sparsities(0.37)
    assert 1.75 in knobbed(TRAINED).temperatures(1.75)
    assert knobbed(QUANTIZED).bits(4) == knobbed(QUANTIZED).bits()


@pytest.mark.parametrize(
    "steps",
    [
        (Step("quantize", "rtn", {}, "model.layers.0.*"), Step("quantize", "rtn", {}, "model.layers.1.*")),
        (QUANTIZED, PRUNED),
        (Step("quantize", "nf4", {}),),
        (Step("prune", "magnitude", {"scope": "threshold", "threshold": 0.01}),),
        (Step("prune", "chosen_heads", {"heads": "0.1"}),),
    ],
    ids=["twice", "order", "no bits", "threshold", "no sparsity"],
)
def test_beyond_the_knobs_there_is_no_knobbed(steps: tuple[Step, ...]) -> None:
    assert KnobbedRecipe.of(Recipe(steps), NANO) is None


def test_a_step_whose_knob_was_at_its_end_comes_back_as_it_was() -> None:
    before = {"quantize": Step("quantize", "gptq", {"bits": 3, "group_size": 32, "symmetric": True})}
    one = KnobbedRecipe.of(Recipe(), NANO, before)
    assert one is not None
    (step,) = one.recipe(Knobs(bits=5)).steps
    assert (step.method, step.values["group_size"], step.values["bits"]) == ("gptq", 32, 5)


def test_without_a_past_the_default_comes_in_a_group_that_fits() -> None:
    one = knobbed()
    one.recipe(Knobs(4, 0.5, 2.0)).check_fits(NANO.linears, NANO.matrices)


def test_a_value_that_the_method_refuses_is_refused() -> None:
    with pytest.raises(RecipeError, match="2 to 8"):
        knobbed(QUANTIZED).recipe(Knobs(bits=16))


def test_every_knob_is_declared_by_some_method() -> None:
    for kind, name in KNOB.items():
        assert any(name in {one.name for one in method(kind, other).parameters} for other in REGISTRY[kind])


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_every_goal_has_knobs(preset: Preset) -> None:
    recipe = preset.recipe(NANO)
    found = KnobbedRecipe.of(recipe, NANO)
    assert found is not None and found.recipe(knobs_of(recipe)) == recipe


def test_no_knob_moves_the_embedding_that_has_its_own_bits() -> None:
    quantized, words = knobbed(QUANTIZED, WORDS_TOO).recipe(Knobs(3)).steps
    assert (quantized.values["bits"], words.values["bits"]) == (3, 4)


def test_embedding_and_head_are_taken_in_and_left_out() -> None:
    plain = Recipe.of(PRUNED, QUANTIZED)
    wider = with_words(plain, True)
    assert wider is not None and treats_words(wider) and not treats_words(plain)
    assert [step.layers for step in wider.steps] == [None, EVERYTHING]
    assert with_words(wider, False) == plain
    assert with_words(Recipe.of(QUANTIZED, WORDS_TOO), False) == Recipe.of(QUANTIZED)
    only_some = Step("quantize", "rtn", {"bits": 4}, ".*mlp.*")
    assert with_words(Recipe.of(only_some), True) is None and with_words(Recipe.of(PRUNED), True) is None
