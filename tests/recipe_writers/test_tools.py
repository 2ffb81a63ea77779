"""A recipe for another tool says the same there, or one sentence says why it cannot.

What was written here was read once by the tools themselves: llm-compressor 0.14.0 (`Recipe.create_instance`), GPTQModel
of August 2026 (`QuantizeConfig.from_quant_config`, `dynamic_get`) and auto-round 0.16.1 (`AutoRound(...).quantize()`).
"""

from __future__ import annotations

import json
import re
import shlex

import pytest
import yaml
from compressed_tensors.quantization import QuantizationScheme
from gguf import GGMLQuantizationType, LlamaFileType
from hypothesis import given
from hypothesis import strategies as st

from optlab.errors import OptLabError, RecipeError
from optlab.methods import REGISTRY
from optlab.recipe_writers.tools import TOOLS, tool_of
from optlab.recipes import Recipe, Step

PARTS = ("self_attn.q_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.down_proj")
NAMES = [f"model.layers.{block}.{part}" for block in range(12) for part in PARTS]
MIXED = Recipe.of(
    Step("quantize", "gptq", {"bits": 4}, r".*self_attn\.q_proj"),
    Step("quantize", "gptq", {"bits": 8, "symmetric": True}, r".*mlp\.down_proj"),
)


def text(tool: str, *steps: Step) -> str:
    return TOOLS[tool].text(Recipe.of(*steps), NAMES)


def modifiers(*steps: Step) -> list[tuple[str, dict]]:
    (stage,) = yaml.safe_load(text("llm-compressor", *steps)).values()
    return [(name, settings) for group in stage.values() for name, settings in group.items()]


@pytest.mark.parametrize("method", ["rtn", "gptq", "awq", "signround", "smoothquant", "dynamic", "fp8"])
def test_compressed_tensors_takes_every_scheme_that_is_written(method: str) -> None:
    _, settings = modifiers(Step("quantize", method, {}))[-1]
    scheme = QuantizationScheme.model_validate(settings["config_groups"]["group_0"])
    assert scheme.weights is not None and scheme.targets == ["Linear"]
    assert (scheme.input_activations is not None) is (method in ("smoothquant", "dynamic"))
    assert settings["ignore"] == ["re:.*lm_head"]


def test_the_modifiers_of_llm_compressor_come_in_the_order_of_the_steps() -> None:
    written = modifiers(Step("prune", "sparsegpt", {"refit": False, "pattern": "2:4"}), Step("quantize", "awq", {}))
    assert [name for name, _ in written] == ["SparseGPTModifier", "AWQModifier", "QuantizationModifier"]
    assert written[0][1]["mask_structure"] == "2:4"


def test_layers_of_one_method_are_groups_of_one_modifier() -> None:
    ((name, settings),) = modifiers(*MIXED.steps)
    groups = settings["config_groups"]
    assert name == "GPTQModifier" and settings["ignore"] == []
    assert [(group["targets"], group["weights"]["num_bits"]) for group in groups.values()] == [
        ([r"re:.*self_attn\.q_proj"], 4), ([r"re:.*mlp\.down_proj"], 8),
    ]  # fmt: skip


def test_an_expression_that_also_matches_a_whole_mlp_names_the_layers_one_by_one() -> None:
    ((_, settings),) = modifiers(Step("quantize", "rtn", {}, r"model\.layers\.0\.mlp.*"))
    assert settings["config_groups"]["group_0"]["targets"] == [
        "model.layers.0.mlp.up_proj",
        "model.layers.0.mlp.down_proj",
    ]


def resolved(config: dict, name: str) -> dict | None:
    """What GPTQModel does with a layer: the first rule that matches from the start; None where it leaves it alone."""
    usual = {key: config[key] for key in ("bits", "group_size", "sym")}
    for rule, own in config.get("dynamic", {}).items():
        if re.match(rule[2:], name):
            return None if rule.startswith("-:") else usual | own
    return usual


@pytest.mark.parametrize("tool", ["gptqmodel", "auto-round"])
def test_layers_that_no_step_names_stay_as_they_are(tool: str) -> None:
    steps = [
        Step("quantize", "gptq" if tool == "gptqmodel" else "signround", {"bits": bits, "symmetric": True}, layers)
        for bits, layers in ((4, r".*self_attn\.q_proj"), (8, r".*mlp\.down_proj"))
    ]
    config = json.loads(text(tool, *steps))
    for name in [*NAMES, "lm_head"]:
        meant = next((step.values["bits"] for step in steps if step.matches(name)), None)
        if tool == "gptqmodel":
            found = (resolved(config, name) or {"bits": None})["bits"]
        else:
            (own,) = [own for rule, own in config["layer_config"].items() if re.match(rule, name)]
            found = None if own["bits"] == 16 else own["bits"]
        assert found == meant


@pytest.mark.parametrize("tool", TOOLS)
def test_two_steps_for_one_layer_are_refused_because_elsewhere_the_first_rule_wins(tool: str) -> None:
    method = next(one for one in TOOLS[tool].knows["quantize"] if one in ("gptq", "signround", "rtn"))
    both = [Step("quantize", method, {"bits": bits, "symmetric": True, "group_size": 32}, layers)
            for bits, layers in ((4, ".*mlp.*"), (8, r".*up_proj"))]  # fmt: skip
    with pytest.raises(RecipeError, match=r"two steps of this recipe round model.layers.0.mlp.up_proj"):
        text(tool, *both)


def test_gptqmodel_is_told_what_gptq_here_does() -> None:
    config = json.loads(text("gptqmodel", Step("quantize", "gptq", {"group_size": None, "damping": 0.05})))
    assert config["group_size"] == -1 and config["damp_percent"] == 0.05 and config["quant_method"] == "gptq"
    assert config["act_group_aware"] is True and config["desc_act"] is False


def command(*steps: Step) -> tuple[dict[str, str], list[str], str]:
    """--tensor-type rules, the types of embedding and head, and the main type."""
    words = shlex.split(text("llama-quantize", *steps).replace("\\\n", " "))
    rules = [words[i + 1].rsplit("=", 1) for i, word in enumerate(words) if word == "--tensor-type"]
    outer = [words[words.index(option) + 1] for option in ("--token-embedding-type", "--output-tensor-type")]
    return dict(rules), outer, words[-1]


def test_llama_quantize_gets_types_that_llama_cpp_has() -> None:
    for bits, symmetric in ((4, True), (4, False), (5, True), (5, False), (8, True)):
        rules, outer, main = command(Step("quantize", "rtn", {"bits": bits, "symmetric": symmetric, "group_size": 32}))
        assert rules == {} and outer == ["f16", "f16"]
        assert f"MOSTLY_{main}" in LlamaFileType.__members__
        assert GGMLQuantizationType[main].name.startswith(f"Q{bits}")


def test_llama_quantize_gets_a_rule_for_each_tensor_of_another_type() -> None:
    rules, outer, main = command(
        Step("quantize", "rtn", {"bits": 4, "symmetric": True, "group_size": 32}, r".*mlp.*"),
        Step("quantize", "rtn", {"bits": 8, "symmetric": True, "group_size": 32}, r".*o_proj|lm_head"),
    )
    assert main == "Q4_0" and outer == ["f16", "q8_0"]
    own = {"self_attn.q_proj": ("attn_q", "f16"), "self_attn.o_proj": ("attn_output", "q8_0")}
    for name in NAMES:
        block, part = name.split(".")[2], name.split(".", 3)[3]
        matching = [
            kind for rule, kind in rules.items() if re.search(rule, f"blk.{block}.{own.get(part, ('x',))[0]}.weight")
        ]
        assert matching == ([own[part][1]] if part in own else [])


@given(st.sampled_from([(kind, name) for kind in REGISTRY for name in REGISTRY[kind]]), st.sampled_from(list(TOOLS)))
def test_every_step_is_written_or_refused_in_one_sentence(step: tuple[str, str], tool: str) -> None:
    try:
        recipe = Recipe.of(Step(*step, {"heads": "0.0"} if step[1] == "chosen_heads" else {}))
    except RecipeError:
        return
    refusal = TOOLS[tool].refused(recipe, NAMES)
    assert (refusal is None) == bool(refusal is None and TOOLS[tool].text(recipe, NAMES))
    assert refusal is None or ("\n" not in str(refusal) and len(str(refusal)) < 250)


@pytest.mark.parametrize(
    ("tool", "steps", "says"),
    [
        ("gptqmodel", [Step("quantize", "nf4", {})], "GPTQModel has no counterpart of quantize nf4"),
        ("llm-compressor", [Step("distill", "forward_kl", {})], "no counterpart of distill forward_kl"),
        ("llm-compressor", [Step("prune", "wanda", {})], "use refit: false"),
        ("llm-compressor", [Step("quantize", "rtn", {"zero_point": "float"})], "whole zero points only"),
        ("gptqmodel", [Step("quantize", "awq", {"bits": 3})], "4 bits only"),
        ("gptqmodel", [*MIXED.steps, Step("quantize", "gptq", {})], "name the layers of every quantize step"),
        ("auto-round", [Step("quantize", "rtn", {"bits": 8})], "8 bits without zero points only"),
        ("llama-quantize", [Step("quantize", "rtn", {})], "use group_size: 32"),
        ("llama-quantize", [Step("quantize", "rtn", {"bits": 3, "group_size": 32})], "no plain type of 3 bits"),
        ("llama-quantize", [], "has no steps"),
    ],
)
def test_what_a_tool_cannot_express_is_refused(tool: str, steps: list[Step], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        text(tool, *steps)


def test_layers_for_llama_quantize_need_a_model() -> None:
    step = Step("quantize", "rtn", {"group_size": 32}, ".*mlp.*")
    with pytest.raises(RecipeError, match="say which model"):
        TOOLS["llama-quantize"].text(Recipe.of(step))
    with pytest.raises(OptLabError, match="use llm-compressor, gptqmodel"):
        tool_of("ollama")
