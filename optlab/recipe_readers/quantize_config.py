"""What GPTQ, AWQ and auto-round write beside their weights: quantize_config.json, or its part of a config.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optlab.errors import RecipeError
from optlab.files import JsonObject
from optlab.recipe_readers.words import all_but, mapping, refuse_others, step, strings, whether

AWQ_ALONE = ("w_bit", "q_group_size", "zero_point")
"""Keys that only AutoAWQ writes; its own file names no method."""
AUTO_ROUND = "intel/auto-round"
"""Packs for GPTQ's kernels too, and then says only under `meta` who rounded."""
UNTOUCHED: JsonObject = {
    "lm_head": False, "modules_to_not_convert": [], "modules_in_block_to_quantize": [], "extra_config": {},
    "layer_config": {}, "data_type": "int", "act_bits": 16, "rotation": None, "adapter": None, "quant_lm_head": False,
}  # fmt: skip
"""What changes the model and has no counterpart, where it is not as here."""
METHODS = {"gptq": "gptq", "awq": "awq", "auto-round": "signround", "intel/auto-round": "signround"}
INSIDE = "quantization_config"
BITS, SIZES = ("bits", "w_bit", "wbits"), ("group_size", "q_group_size")
ADDED, LEFT_OUT = "+:", "-:"


def recognised(data: Mapping[str, Any]) -> bool:
    """Whether `data` looks like one."""
    return INSIDE in data or (any(key in data for key in BITS) and any(key in data for key in SIZES))


def steps(data: Mapping[str, Any]) -> list[JsonObject]:
    """Its steps. Raises RecipeError."""
    config = mapping(data.get(INSIDE, data), INSIDE)
    meta = mapping(config.get("meta") or {}, "meta")
    named = _method(config, meta)
    method = METHODS.get(named.lower())
    if method is None:
        raise RecipeError(
            "quantization by {named} has no counterpart here; these have one: {known}",
            named=named, known=", ".join(METHODS),
        )  # fmt: skip
    said = {**meta, **config}
    untouched = config.get("modules_to_not_convert")
    said["modules_to_not_convert"] = [one for one in strings(untouched or [], "modules_to_not_convert")
                                      if one != "lm_head"]  # fmt: skip
    refuse_others(said, UNTOUCHED)
    values = _grid(config, {}) | {"method": method}
    if method == "gptq":
        damping = said.get("damp_percent")
        ordered = bool(said.get("desc_act") or said.get("act_group_aware"))
        values |= {"act_order": ordered, "clip": "mse" if said.get("mse") else "minmax"}
        values |= {} if damping is None else {"damping": damping}
    if method == "signround" and said.get("iters") is not None:
        values |= {"steps": said["iters"]} if said["iters"] != 0 else {"method": "rtn"}
    return _by_layer(config, values)


def _method(config: Mapping[str, Any], meta: Mapping[str, Any]) -> str:
    """The tool's word for it."""
    if str(meta.get("quantizer")).startswith(AUTO_ROUND):
        return AUTO_ROUND
    usual = "awq" if any(key in config for key in AWQ_ALONE) else "gptq"
    return str(config.get("quant_method", config.get("method", usual)))


def _by_layer(config: Mapping[str, Any], values: JsonObject) -> list[JsonObject]:
    """One step for all layers, or one for each expression under `dynamic` where all others are left out."""
    dynamic = mapping(config.get("dynamic") or {}, "dynamic")
    if not dynamic:
        return [step("quantize", values)]
    chosen = {name.removeprefix(ADDED): own for name, own in dynamic.items() if not name.startswith(LEFT_OUT)}
    left_out = set(dynamic) - {*chosen, *(f"{ADDED}{name}" for name in chosen)}
    if not chosen or left_out != {LEFT_OUT + all_but(list(chosen))}:
        raise RecipeError(
            "rules for some layers (dynamic: {rules!r:.80}) are read only where they say what is rounded and one more "
            "leaves out all others",
            rules=", ".join(dynamic),
        )  # fmt: skip
    return [step("quantize", values | _grid(mapping(own, name), values), name) for name, own in chosen.items()]


def _grid(config: Mapping[str, Any], usual: JsonObject) -> JsonObject:
    """bits, group_size and symmetric; what is not said is as usual."""
    bits = next((config[key] for key in BITS if key in config), usual.get("bits"))
    size = next((config[key] for key in SIZES if key in config), usual.get("group_size"))
    if "zero_point" in config:
        usual = {**usual, "symmetric": not whether(config["zero_point"], "zero_point")}
    symmetric = config.get("sym", usual.get("symmetric", True))
    return {"bits": bits, "group_size": None if size == -1 else size, "symmetric": symmetric}
