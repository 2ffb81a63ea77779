"""Recipes: what is written is what is meant, and what is wrong stops at the edge with a sentence."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab.errors import RecipeError
from optlab.methods import REGISTRY, Parameter, method
from optlab.recipes import Recipe, Step

LINEARS = [("model.layers.0.mlp.up_proj", (1536, 576)), ("model.layers.0.mlp.down_proj", (576, 1536))]


def values_of(parameter: Parameter) -> st.SearchStrategy:
    """Values that a parameter's declaration allows."""
    if parameter.choices is not None:
        strategy = st.sampled_from([choice for choice in parameter.choices if choice is not None])
    elif parameter.type is bool:
        strategy = st.booleans()
    elif parameter.type is int:
        low, high = int(parameter.minimum or 0), int(parameter.maximum or 1000)
        strategy = st.integers(low, high)
    else:
        strategy = st.floats(parameter.minimum or 0.0, parameter.maximum or 1.0)
    return st.none() | strategy if parameter.optional else strategy


@st.composite
def steps(draw: st.DrawFn) -> Step | None:
    kind = draw(st.sampled_from(list(REGISTRY)))
    chosen = method(kind, draw(st.sampled_from(list(REGISTRY[kind]))))
    values = {p.name: draw(values_of(p)) for p in chosen.parameters if draw(st.booleans())}
    try:
        return Step(kind, chosen.name, values, draw(st.sampled_from([None, "model.layers.[0-9]+.mlp.*"])))
    except RecipeError:
        return None  # a rule between parameters; the rules have tests of their own


@given(st.lists(steps().filter(bool), max_size=3))
def test_yaml_gives_the_same_recipe_back(drawn: list[Step]) -> None:
    try:
        recipe = Recipe.of(*drawn)
    except RecipeError:
        return  # an order that is refused
    again = Recipe.from_yaml(recipe.to_yaml())
    assert again == recipe
    assert again.content_hash == recipe.content_hash


def test_hash_sees_content_and_not_spelling() -> None:
    short = Recipe.from_yaml("steps: [{quantize: {bits: 4}}]")
    long = Recipe.from_yaml("steps:\n - quantize: {group_size: 64, method: rtn, bits: 4.0}")
    assert short.content_hash == long.content_hash
    assert short.content_hash != Recipe.from_yaml("steps: [{quantize: {bits: 5}}]").content_hash


def test_order_of_steps_matters() -> None:
    a = Recipe.from_yaml("steps: [{prune: {sparsity: 0.5}}, {quantize: {bits: 4}}]")
    b = Recipe.from_yaml("steps: [{quantize: {bits: 4}}, {prune: {sparsity: 0.5}}]")
    assert a.content_hash != b.content_hash


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("steps: [{quantize: {bits: 9}}]", "bits 9 is out of range; use 2 to 8"),
        ("steps: [{quantize: {bits: true}}]", "bits must be a number"),
        ("steps: [{quantize: {bits: .nan}}]", "whole, finite number"),
        ("steps: [{quantize: {method: gguf}}]", "unknown method 'gguf' for quantize; use rtn"),
        ("steps: [{quantize: {bit: 4}}]", "has no parameter 'bit'; it takes bits"),
        ("steps: [{squeeze: {}}]", "unknown step 'squeeze'; use prune, quantize, cache, distill"),
        ("steps: [{prune: {}, quantize: {}}]", "exactly one of"),
        ("steps: [{prune: {sparsity: 1.5}}]", "sparsity 1.5 is out of range"),
        ("steps: [{quantize: {bits: 4}, layers: '('}]", "is not a regular expression"),
        ("steps: [{quantize: {bits: 4}}, {distill: {}}]", "put distill before quantize"),
        ("step: []", "single key 'steps'"),
        ("steps: 3", "must be a list"),
        ("steps: [3]", "a step must be a mapping"),
        ("{", "not valid YAML"),
        ("!!python/object/apply:os.system ['true']", "not valid YAML"),
    ],
)
def test_wrong_recipes_stop_with_a_sentence(text: str, says: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.from_yaml(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_group_size_is_held_against_the_models_widths() -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.from_yaml("steps: [{quantize: {bits: 4, group_size: 128}}]").check_fits(LINEARS)
    assert str(caught.value) == "group_size 128 does not divide 576; use 32, 64, 96, 192, 288 or 576"
    Recipe.from_yaml("steps: [{quantize: {bits: 4, group_size: 96}}]").check_fits(LINEARS)


def test_an_expression_that_matches_nothing_is_refused() -> None:
    with pytest.raises(RecipeError, match="matches no layer; names look like"):
        Recipe.from_yaml("steps: [{prune: {sparsity: 0.5}, layers: 'transformer.*'}]").check_fits(LINEARS)


def test_weights_that_were_pruned_cannot_get_a_float_zero_which_no_other_order_forbids() -> None:
    pruned, float_zero = "prune: {sparsity: 0.5}", "quantize: {method: hqq, group_size: 32}"
    with pytest.raises(RecipeError, match="a float zero point has no level for 0"):
        Recipe.from_yaml(f"steps: [{{{pruned}}}, {{{float_zero}}}]").check_fits(LINEARS)
    Recipe.from_yaml(f"steps: [{{{float_zero}}}]").check_fits(LINEARS)
    Recipe.from_yaml(f"steps: [{{{pruned}}}, {{quantize: {{group_size: 32}}}}]").check_fits(LINEARS)


def test_files_that_are_not_recipes(tmp_path) -> None:
    with pytest.raises(RecipeError, match="cannot read the recipe"):
        Recipe.from_file(tmp_path / "none.yaml")
    os.mkfifo(tmp_path / "pipe.yaml")
    for endless in (tmp_path / "pipe.yaml", Path("/dev/zero"), Path("/proc/self/environ")):
        with pytest.raises(RecipeError, match="not a regular file"):
            Recipe.from_file(endless)
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="not UTF-8"):
        Recipe.from_file(binary)
    nul = tmp_path / "nul.yaml"
    nul.write_bytes(b"steps: [\x00]")
    with pytest.raises(RecipeError, match="not valid YAML"):
        Recipe.from_file(nul)


def test_a_recipe_layer_by_layer_has_one_short_name() -> None:
    def steps(kind: str, *values: dict[str, object]) -> list[dict[str, object]]:
        return [{kind: one, "layers": f"block.{number}"} for number, one in enumerate(values)]

    bits = steps("quantize", {"bits": 2}, {"bits": 4, "method": "gptq"}, {"bits": 3})
    zeros = steps("prune", *({"sparsity": share, "method": "wanda"} for share in (0.5, 0.1, 0.3)))
    assert Recipe.from_dict({"steps": bits}).describe() == "2 to 4 bits by layer, rtn/gptq"
    assert Recipe.from_dict({"steps": [*zeros, *bits[:1]]}).describe() == (
        "10% to 50% zeros by layer, wanda + rtn 2 bits, group 64 on block.0"
    )
