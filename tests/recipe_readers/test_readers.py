"""Recipes of other tools are read as ours: what their documentation shows, and whatever our writers wrote."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab.errors import RecipeError
from optlab.recipe_writers.tools import TOOLS
from optlab.recipes import Recipe, Step

W4A16 = """
default_stage:
  default_modifiers:
    GPTQModifier:
      targets: [Linear]
      ignore: [lm_head]
      scheme: W4A16
      dampening_frac: 0.05
"""
W8A8 = """
quant_stage:
  quant_modifiers:
    SmoothQuantModifier: {smoothing_strength: 0.8}
    GPTQModifier:
      ignore: [lm_head]
      config_groups:
        group_0:
          weights: {num_bits: 8, type: int, symmetric: true, strategy: channel}
          input_activations: {num_bits: 8, type: int, symmetric: true, strategy: token, dynamic: true}
          targets: [Linear]
"""
SPARSE = """
sparsity_stage:
  sparsity_modifiers:
    SparseGPTModifier: {sparsity: 0.5, mask_structure: "2:4", targets: ["re:.*proj$"], ignore: [re:.*lm_head]}
quantization_stage:
  run_type: oneshot
  quantization_modifiers:
    QuantizationModifier:
      targets: [model.layers.0.mlp.up_proj, "re:.*down_proj"]
      scheme: W8A16
"""


def only(text: str) -> Step:
    (step,) = Recipe.from_yaml(text).steps
    return step


def test_a_scheme_by_name() -> None:
    step = only(W4A16)
    assert (step.method, step.layers) == ("gptq", None)
    assert step.values["bits"] == 4 and step.values["group_size"] == 128 and step.values["symmetric"] is True
    assert step.values["damping"] == 0.05 and step.values["act_order"] is True


def test_smoothing_belongs_to_the_quantization_after_it() -> None:
    step = only(W8A8.replace("GPTQModifier", "QuantizationModifier"))
    assert step.method == "smoothquant"
    assert step.values == {"bits": 8, "activation_bits": 8, "alpha": 0.8, "activations": "token"}


def test_stages_come_in_their_order_and_names_match_exactly() -> None:
    prune, quantize = Recipe.from_yaml(SPARSE).steps
    assert (prune.method, prune.values["pattern"]) == ("sparsegpt", "2:4")
    assert quantize.values["group_size"] is None
    assert quantize.matches("model.layers.0.mlp.up_proj") and quantize.matches("model.layers.7.mlp.down_proj")
    assert not quantize.matches("model.layers.0.mlp.up_proj_2") and not quantize.matches("modelXlayers.0.mlp.up_proj")


@pytest.mark.parametrize(
    ("config", "values"),
    [
        ({"bits": 4, "group_size": 128, "desc_act": True, "sym": True, "damp_percent": 0.01, "quant_method": "gptq"},
         {"bits": 4, "group_size": 128, "symmetric": True, "act_order": True, "damping": 0.01}),
        ({"bits": 3, "group_size": -1, "desc_act": False, "sym": False, "meta": {"damp_percent": 0.1}},
         {"bits": 3, "group_size": None, "symmetric": False, "act_order": False, "damping": 0.1}),
        ({"w_bit": 4, "q_group_size": 64, "zero_point": True, "version": "GEMM", "quant_method": "awq"},
         {"bits": 4, "group_size": 64, "symmetric": False}),
        ({"model_type": "llama", "quantization_config": {"bits": 8, "group_size": 32, "quant_method": "auto-round"}},
         {"bits": 8, "group_size": 32, "symmetric": True}),
    ],
)  # fmt: skip
def test_a_quantize_config_is_a_recipe(config: dict, values: dict, tmp_path: Path) -> None:
    (tmp_path / "quantize_config.json").write_text(json.dumps(config, indent=1))
    (step,) = Recipe.from_file(tmp_path / "quantize_config.json").steps
    assert {name: step.values[name] for name in values} == values


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (W8A8, "SmoothQuantModifier before GPTQModifier has no counterpart"),
        (W4A16.replace("W4A16", "NVFP4"), "NVFP4 has no counterpart here; these have one: W8A16"),
        (W4A16.replace("[lm_head]", "[lm_head, model.layers.0.mlp.up_proj]"), "ignored .model.layers.0.mlp.up_proj."),
        (W4A16.replace("GPTQModifier", "QuIPModifier"), "QuIPModifier has no counterpart here"),
        (W4A16.replace("scheme: W4A16", "scheme: [1]"), "a scheme is a mapping"),
        ("x_stage: {x_modifiers: {SmoothQuantModifier: {}}}", "no quantization follows"),
        ("x_stage: 3", "x_stage is a mapping, not 3"),
        ('{"bits": 4, "group_size": 128, "quant_method": "exl3"}', "quantization by exl3 has no counterpart"),
        ('{"bits": 40, "group_size": 128}', "bits 40 is out of range"),
        ('{"bits": 4, "group_size": 128, "dynamic": {"+:.*q_proj": {"bits": 8}}}', "leaves out all others"),
    ],
)
def test_what_has_no_counterpart_is_one_sentence(text: str, says: str) -> None:
    with pytest.raises(RecipeError, match=says) as caught:
        Recipe.from_yaml(text)
    assert "\n" not in str(caught.value)


METHODS = {
    "llm-compressor": [("quantize", name) for name in ("rtn", "gptq", "awq", "smoothquant", "dynamic")],
    "gptqmodel": [("quantize", "gptq")],
}


@given(
    st.sampled_from([(tool, *step) for tool, steps in METHODS.items() for step in steps]), st.integers(2, 8),
    st.sampled_from([None, 32, 64, 128]), st.booleans(),
    st.lists(st.sampled_from([".*q_proj", ".*up_proj", "model.layers.3.*"]), unique=True, max_size=2),
)  # fmt: skip
def test_what_was_written_for_a_tool_is_read_as_the_same_recipe(
    chosen: tuple[str, str, str], bits: int, group_size: int | None, symmetric: bool, layers: list[str]
) -> None:
    tool, kind, method = chosen
    values = {"bits": bits} if method in ("smoothquant", "dynamic") else {
        "bits": bits, "group_size": group_size, "symmetric": symmetric
    }  # fmt: skip
    recipe = Recipe(tuple(Step(kind, method, values, one) for one in layers or [None]))
    assert Recipe.from_yaml(TOOLS[tool].text(recipe)) == recipe


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["a_stage", "b_modifiers", "GPTQModifier", "AWQModifier", "scheme", "weights", "targets",
                         "config_groups", "group_0", "bits", "group_size", "dynamic", "quantization_config", "W4A16"]),
        inner, max_size=4,
    ),
)  # fmt: skip


@given(ANYTHING)
def test_nonsense_is_refused_and_never_an_exception_of_another_kind(data: object) -> None:
    with suppress(RecipeError):
        Recipe.from_yaml(json.dumps(data))
