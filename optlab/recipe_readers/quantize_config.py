"""What GPTQ, AWQ and auto-round write beside their weights: quantize_config.json, or its part of a config.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optlab.errors import RecipeError
from optlab.files import JsonObject
from optlab.recipe_readers.words import all_but, mapping, step

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
    named = config.get("quant_method", config.get("method", "gptq"))
    method = METHODS.get(str(named).lower())
    if method is None:
        raise RecipeError(
            "quantization by {named} has no counterpart here; these have one: {known}",
            named=named, known=", ".join(METHODS),
        )  # fmt: skip
    values = _grid(config, {}) | {"method": method}
    if method == "gptq":
        meta = config.get("meta") if isinstance(config.get("meta"), Mapping) else {}
        damping = config.get("damp_percent", meta.get("damp_percent"))  # type: ignore[union-attr]
        ordered = bool(config.get("desc_act") or config.get("act_group_aware"))
        values |= {"act_order": ordered, "clip": "mse" if config.get("mse") else "minmax"}
        values |= {} if damping is None else {"damping": damping}
    if method == "signround" and "iters" in config:
        values["steps"] = config["iters"]
    return _by_layer(config, values)


def _by_layer(config: Mapping[str, Any], values: JsonObject) -> list[JsonObject]:
    """One step for all layers, or one for each expression under `dynamic` where all others are left out."""
    dynamic = mapping(config.get("dynamic") or {}, "dynamic")
    if not dynamic:
        return [step("quantize", values)]
    chosen = {name.removeprefix(ADDED): own for name, own in dynamic.items() if not name.startswith(LEFT_OUT)}
    if set(dynamic) - {*chosen, *(f"{ADDED}{name}" for name in chosen)} != {LEFT_OUT + all_but(list(chosen))}:
        raise RecipeError(
            "rules for some layers (dynamic) are read only where one more leaves out all others, {pattern}",
            pattern=LEFT_OUT + all_but(list(chosen)),
        )  # fmt: skip
    return [step("quantize", values | _grid(mapping(own, name), values), name) for name, own in chosen.items()]


def _grid(config: Mapping[str, Any], usual: JsonObject) -> JsonObject:
    """bits, group_size and symmetric; what is not said is as usual."""
    bits = next((config[key] for key in BITS if key in config), usual.get("bits"))
    size = next((config[key] for key in SIZES if key in config), usual.get("group_size"))
    symmetric = config.get("sym", not config["zero_point"] if "zero_point" in config else usual.get("symmetric", True))
    return {"bits": bits, "group_size": None if size == -1 else size, "symmetric": symmetric}
