"""Recipes of other tools are read as ours: what their documentation shows, and whatever our writers wrote."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab.errors import RecipeError
from optlab.methods import Parameter
from optlab.methods import method as declared
from optlab.prune import allocation
from optlab.recipe_readers.llm_compressor import OWL
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
        # AutoAWQ's own file names no method
        ({"zero_point": True, "q_group_size": 128, "w_bit": 4, "version": "GEMM"}, {"symmetric": False, "grid": 10}),
        # auto-round packs for GPTQ's kernels, and says under `meta` who rounded
        ({"bits": 4, "group_size": 128, "sym": True, "quant_method": "gptq",
          "meta": {"quantizer": "intel/auto-round:0.2.0.dev", "packer": "autogptq:0.8.0.dev1", "iters": 1000}},
         {"bits": 4, "steps": 1000, "start": "range"}),
        ({"bits": 4, "group_size": 32, "sym": True, "quant_method": "gptq", "dynamic": None, "lm_head": False,
          "meta": {"quantizer": ["gptqmodel:4.0.0"], "damp_percent": 0.05, "mse": 2.0, "act_group_aware": True}},
         {"damping": 0.05, "clip": "mse", "act_order": True}),
        ({"bits": 4, "group_size": 128, "quant_method": "auto-round", "iters": 0, "data_type": "int", "act_bits": 16},
         {"bits": 4, "clip": "minmax"}),
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
        ('{"bits": 4, "group_size": 128, "dynamic": {"-:.*q_proj": {}}}', "leaves out all others"),
        ('{"w_bit": 4, "q_group_size": 128, "zero_point": "False"}', "zero_point is true or false, not 'False'"),
        ("x_stage: {}", "has no modifiers"),
        ("finetuning_stage: {run_type: train}", "has no modifiers"),
    ],
)
def test_what_has_no_counterpart_is_one_sentence(text: str, says: str) -> None:
    with pytest.raises(RecipeError, match=says) as caught:
        Recipe.from_yaml(text)
    assert "\n" not in str(caught.value)


GROUP = "weights: {num_bits: 8, type: int, symmetric: true, strategy: channel}"
GROUPS = f"""
default_stage:
  default_modifiers:
    QuantizationModifier:
      ignore: [lm_head]
      config_groups:
        group_0: {{targets: [Linear], {GROUP}}}
"""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        *((f'{{"bits": 4, "group_size": 128, "quant_method": "{method}", {said}}}', says)
          for method, said, says in (
              ("awq", '"modules_to_not_convert": ["visual"]', r"modules_to_not_convert: \['visual'\]"),
              ("gptq", '"modules_in_block_to_quantize": [["self_attn.q_proj"]]', "modules_in_block_to_quantize"),
              ("gptq", '"lm_head": true', "lm_head: True"),
              ("gptq", '"rotation": "hadamard"', "rotation: 'hadamard'"),
              ("auto-round", '"extra_config": {"model.layers.0.mlp.down_proj": {"bits": 8}}', "extra_config"),
              ("auto-round", '"data_type": "mx_fp"', "data_type: 'mx_fp'"),
              ("auto-round", '"act_bits": 8', "act_bits: 8"),
          )),
        *((GROUPS.replace(GROUP, f"{GROUP}, {said}"), says)
          for said, says in (
              ("output_activations: {num_bits: 8}", "output_activations"),
              ("input_activations: {num_bits: 8, type: float, strategy: token}", "type: 'float'"),
              ("input_activations: {num_bits: 8, symmetric: false, strategy: token}", "symmetric: False"),
              ("input_activations: {num_bits: 8, strategy: group}", "a scale per group"),
          )),
        *((GROUPS.replace("strategy: channel", said), says)
          for said, says in (
              ("observer: imatrix_mse, strategy: channel", "observer 'imatrix_mse'"),
              ("strategy: group", "needs the group_size"),
              ("dynamic: false", "a scale per tensor"),
              ("strategy: channel}, input_activations: {num_bits: 8, strategy: tensor", "only after SmoothQuant"),
              ("strategy: group, group_size: 64}, input_activations: {num_bits: 8, strategy: token", "per channel"),
          )),
        (GROUPS.replace("ignore:", "kv_cache_scheme: {num_bits: 8}\n      ignore:"), "kv_cache_scheme"),
        (GROUPS.replace("[Linear]", "[LlamaMLP]"), "not LlamaMLP"),
        (GROUPS.replace("[Linear]", "[Embedding, Linear]"), "not Embedding, Linear"),
        (f"{GROUPS}        group_1: {{targets: ['re:.*mlp.*'], {GROUP}}}", "one group holds all linear layers"),
        ("a_stage: {b_modifiers: {SparseGPTModifier: {sparsity: 0.5, sparsity_profile: atp}}}", "sparsity_profile"),
    ],
)  # fmt: skip
def test_a_setting_that_changes_the_model_is_never_dropped(text: str, says: str) -> None:
    assert Recipe.from_yaml(GROUPS).steps
    with pytest.raises(RecipeError, match=says) as caught:
        Recipe.from_yaml(text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 250


def test_what_a_tool_does_where_nothing_is_said_is_done_here() -> None:
    assert only(W4A16).values["clip"] == "minmax"
    assert only(GROUPS.replace("strategy: channel", "group_size: 32")).values["group_size"] == 32
    assert only(GROUPS.replace("strategy: channel", "group_size: -1")).values["group_size"] is None
    assert only(W4A16.replace("W4A16", "w4a16")).values["bits"] == 4
    assert only(GROUPS.replace("[lm_head]", "[lm_head, re:.*embed_tokens.*]")).layers is None


def test_the_blocks_that_a_pruning_modifier_once_named_are_the_layers_in_them() -> None:
    old = "a_stage: {b_modifiers: {SparseGPTModifier: {sparsity: 0.7, sparsity_profile: owl, owl_m: 5, owl_lmbda: 0.08,"
    step = only(old + r" percdamp: 0.02, targets: ['re:model.layers.\d*$']}}}")
    assert step.matches("model.layers.11.mlp.up_proj") and not step.matches("model.layers_norm")
    assert step.values["allocation"] == "owl" and step.values["damping"] == 0.02
    assert OWL["owl_m"] == allocation.OUTLIER and OWL["owl_lmbda"] == allocation.SPREAD


READ = {
    "llm-compressor": [*(("quantize", name) for name in ("rtn", "gptq", "awq", "signround", "smoothquant", "dynamic")),
                       ("prune", "wanda"), ("prune", "sparsegpt")],
    "gptqmodel": [("quantize", "gptq"), ("quantize", "awq")],
}  # fmt: skip
"""What is read back of what is written for a tool."""
WORDLESS = {"llm-compressor": {"sequential"}, "gptqmodel": {"sequential", "grid", "clip of awq"}}
"""Settings that a tool has no word for: how it does its work is its own affair."""


def drawn(parameter: Parameter) -> st.SearchStrategy:
    """A value that `parameter` declares."""
    low, high = parameter.minimum, parameter.maximum
    if parameter.choices is not None:
        found: st.SearchStrategy = st.sampled_from(parameter.choices)
    elif parameter.type is bool:
        found = st.booleans()
    elif parameter.name == "group_size":
        found = st.sampled_from([2, 32, 64, 128])
    elif parameter.type is int:
        found = st.integers(int(low or 0), int(high or 0))
    else:
        found = st.floats(low, high)
    return st.none() | found if parameter.optional else found


@given(st.data())
def test_what_was_written_for_a_tool_is_read_as_the_same_recipe(data: st.DataObject) -> None:
    tool, kind, method = data.draw(st.sampled_from([(tool, *step) for tool, steps in READ.items() for step in steps]))
    values = {one.name: data.draw(drawn(one), one.name) for one in declared(kind, method).parameters}
    layers = data.draw(
        st.lists(st.sampled_from([".*q_proj", ".*up_proj", "model.layers.3.*"]), unique=True, max_size=2)
    )
    try:
        recipe = Recipe(tuple(Step(kind, method, values, one) for one in layers or [None]))
        text = TOOLS[tool].text(recipe)
    except RecipeError:
        return
    found = Recipe.from_yaml(text).steps
    assert [(one.kind, one.method, one.layers) for one in found] == [(kind, method, one) for one in layers or [None]]
    for one in found:
        for name, value in recipe.steps[0].values.items():
            if not {name, f"{name} of {method}"} & WORDLESS[tool] and not (
                name == "zero_point" and values["symmetric"]
            ):
                assert one.values[name] == value, name


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
