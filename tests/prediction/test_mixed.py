"""A recipe made layer by layer gives every layer what it was given, and no layer anything else."""

from hypothesis import given
from hypothesis import strategies as some

from optlab.prediction.mixed import pattern, recipe_of
from optlab.recipes import Recipe, Step

KINDS = ("self_attn.q_proj", "self_attn.k_proj", "mlp.up_proj", "mlp.down_proj")
NAMES = [f"model.layers.{block}.{kind}" for block in range(13) for kind in KINDS]
ENDS = ["lm_head", "model.embed_tokens"]


@given(some.sets(some.sampled_from(NAMES + ENDS), min_size=1))
def test_an_expression_matches_exactly_its_layers(chosen: set[str]) -> None:
    step = Step("quantize", "rtn", {}, pattern(sorted(chosen)))
    assert {name for name in NAMES + ENDS if step.matches(name)} == chosen


@given(some.lists(some.sampled_from([None, 2, 3, 4, 8]), min_size=len(NAMES), max_size=len(NAMES)))
def test_each_layer_gets_its_own_bits(bits: list[int | None]) -> None:
    choices = {
        name: [] if b is None else [Step("quantize", "rtn", {"bits": b})] for name, b in zip(NAMES, bits, strict=True)
    }
    recipe = Recipe.from_dict(recipe_of(choices).to_dict())
    for name, b in zip(NAMES, bits, strict=True):
        assert [step.values["bits"] for step in recipe.steps if step.matches(name)] == ([] if b is None else [b])


def test_pruning_comes_before_quantization_and_like_layers_share_a_step() -> None:
    both = [Step("quantize", "rtn", {"bits": 4}), Step("prune", "magnitude", {"sparsity": 0.5})]
    recipe = recipe_of(dict.fromkeys(NAMES, both))
    assert [step.kind for step in recipe.steps] == ["prune", "quantize"]
