"""A recipe of llm-compressor (`oneshot(model, recipe="recipe.yaml", dataset=...)`), whose file vLLM loads.

Each step is a modifier in a group of its own, because a group is a mapping and holds no two of a name. Modules are
named as here, by expressions that must match from the start; compressed-tensors marks them with "re:".
"""

from __future__ import annotations

import yaml

from optlab.errors import RecipeError
from optlab.files import JsonObject
from optlab.recipe_writers.tool import Names, Tool
from optlab.recipes import Recipe, Step

LABEL = "llm-compressor"
MASKS = {"unstructured": "0:0", "2:4": "2:4"}
OBSERVERS = {"minmax": "memoryless_minmax", "mse": "memoryless_mse"}


def write(recipe: Recipe, names: Names) -> str:
    """The YAML. Raises RecipeError."""
    groups: JsonObject = {}
    for step in recipe.steps:
        number = len(groups) + 1
        made = _pruning(step, names) if step.kind == "prune" else _quantization(step, names)
        if not _joined(groups.get(f"step_{number - 1}_modifiers"), made):
            groups[f"step_{number}_modifiers"] = made
    return yaml.safe_dump({"optlab_stage": groups}, sort_keys=False)


def _joined(before: JsonObject | None, made: JsonObject) -> bool:
    """Put the layers of `made` into the modifiers `before` it, where both ask for the same but for bits and layers."""
    *_, modifier = made
    if before is None or "config_groups" not in made[modifier] or _without_layers(before) != _without_layers(made):
        return False
    known = before[modifier]["config_groups"]
    known[f"group_{len(known)}"] = made[modifier]["config_groups"]["group_0"]
    return True


def _without_layers(modifiers: JsonObject) -> JsonObject:
    return {
        name: {key: value for key, value in settings.items() if key != "config_groups"}
        for name, settings in modifiers.items()
    }


def _quantization(step: Step, names: Names) -> JsonObject:
    modifiers: JsonObject = {}
    if step.method == "smoothquant":
        modifiers["SmoothQuantModifier"] = {"smoothing_strength": step.values["alpha"]}
    if step.method == "awq":
        modifiers["AWQModifier"] = {"n_grid": step.values["grid"], "duo_scaling": False}
    more: JsonObject = {}
    if step.method == "gptq":
        # ours orders whole groups, so the file needs no index: their "static"
        more["dampening_frac"] = step.values["damping"]
        more["actorder"] = "static" if step.values["act_order"] else None
    if step.method == "signround":
        if step.values["start"] != "range":
            raise RecipeError("{tool}'s AutoRound starts from the nearest values; use start: range", tool=LABEL)
        more["iters"] = step.values["steps"]
    modifier = {"gptq": "GPTQModifier", "signround": "AutoRoundModifier"}.get(step.method, "QuantizationModifier")
    scheme = {"targets": _targets(step, names), "weights": _weights(step), "input_activations": _inputs(step)}
    modifiers[modifier] = {"config_groups": {"group_0": scheme}, "ignore": _ignored(step), **more}
    return modifiers


def _weights(step: Step) -> JsonObject:
    values = step.values
    weights: JsonObject = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel", "dynamic": False}
    if step.method == "fp8":
        weights |= {"type": "float", "strategy": values["scale"]}
        return weights | ({"group_size": values["group_size"]} if values["scale"] == "group" else {})
    weights["num_bits"] = values["bits"]
    if step.method in ("dynamic", "smoothquant"):
        return weights
    weights["symmetric"] = values["symmetric"]
    if values["group_size"] is not None:
        weights |= {"strategy": "group", "group_size": values["group_size"]}
    if "clip" in values:
        weights["observer"] = OBSERVERS[str(values["clip"])]
    return weights


def _inputs(step: Step) -> JsonObject | None:
    if step.method not in ("dynamic", "smoothquant"):
        return None
    whole = step.values.get("activations") == "tensor"
    return {
        "num_bits": step.values["activation_bits"], "type": "int", "symmetric": True,
        "strategy": "tensor" if whole else "token", "dynamic": not whole,
    }  # fmt: skip


def _pruning(step: Step, names: Names) -> JsonObject:
    values = step.values
    if values["pattern"] not in MASKS:
        raise RecipeError("{tool} prunes unstructured or 2:4, not {pattern}", tool=LABEL, pattern=values["pattern"])
    if values["allocation"] != "uniform":
        raise RecipeError("only a uniform allocation of zeros is written for {tool}", tool=LABEL)
    if values["refit"]:
        raise RecipeError("{tool} does not refit what pruning leaves; use refit: false", tool=LABEL)
    shared: JsonObject = {"sparsity": values["sparsity"], "mask_structure": MASKS[str(values["pattern"])]}
    shared |= {"targets": _targets(step, names), "ignore": _ignored(step)}
    if step.method == "wanda":
        return {"WandaPruningModifier": shared}
    return {"SparseGPTModifier": {**shared, "dampening_frac": values["damping"]}}


def _targets(step: Step, names: Names) -> list[str]:
    """An expression as it is; the layers themselves where it would match a module that holds some of them, too."""
    if step.layers is None:
        return ["Linear"]
    parents = {".".join(parts[:end]) for parts in (name.split(".") for name in names) for end in range(1, len(parts))}
    if any(step.matches(parent) for parent in parents):
        return [name for name in names if step.matches(name)]
    return [f"re:{step.layers}"]


def _ignored(step: Step) -> list[str]:
    return ["re:.*lm_head"] if step.layers is None else []


LLM_COMPRESSOR = Tool(
    "llm-compressor", LABEL, "recipe.yaml", "yaml",
    {
        "prune": ("wanda", "sparsegpt"),
        "quantize": ("rtn", "gptq", "awq", "signround", "smoothquant", "dynamic", "fp8"),
    },
    write,
)  # fmt: skip
