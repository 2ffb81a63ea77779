"""A recipe of llm-compressor: modifiers in groups in stages, each with a scheme or with groups of layers.

A modifier that only smooths (SmoothQuant, AWQ) belongs to the quantization that follows it, as one method here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from optlab.errors import RecipeError
from optlab.files import JsonObject
from optlab.recipe_readers.words import exactly, mapping, one_of, step, strings

STAGE, GROUP = "_stage", "_modifiers"
QUANTIZING = {
    "QuantizationModifier": "rtn", "GPTQModifier": "gptq", "AWQModifier": "awq", "AutoRoundModifier": "signround",
}  # fmt: skip
SMOOTHING = {"SmoothQuantModifier": "smoothquant", "AWQModifier": "awq"}
PRUNING = {"WandaPruningModifier": "wanda", "SparseGPTModifier": "sparsegpt"}
PATTERNS = {"0:0": "unstructured", "2:4": "2:4", "4:8": "4:8"}
CLIPS = {"memoryless_minmax": "minmax", "minmax": "minmax", "static_minmax": "minmax", "memoryless_mse": "mse",
         "mse": "mse"}  # fmt: skip
IN_FOUR = {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": 128}
IN_EIGHT = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel"}
PRESETS: dict[str, JsonObject] = {
    "W8A16": {"weights": IN_EIGHT},
    "W4A16": {"weights": IN_FOUR},
    "W4A16_ASYM": {"weights": {**IN_FOUR, "symmetric": False}},
    "W8A8": {"weights": IN_EIGHT, "input_activations": {"num_bits": 8, "strategy": "token", "dynamic": True}},
}
PRESETS["INT8"] = PRESETS["W8A8"]
HEAD = {"lm_head", "re:.*lm_head", "re:.*lm_head$", "re:lm_head", "re:.*lm_head.*"}
"""What may be left out of "all linear layers": here they never hold the head."""


def recognised(data: Mapping[str, Any]) -> bool:
    """Whether `data` looks like one."""
    return any(isinstance(key, str) and key.endswith(STAGE) for key in data)


def steps(data: Mapping[str, Any]) -> list[JsonObject]:
    """Its steps. Raises RecipeError."""
    found: list[JsonObject] = []
    smoothed: tuple[str, Mapping[str, Any]] | None = None
    for name, settings in _modifiers(data):
        if name in PRUNING:
            found.append(_pruning(name, settings))
        elif name in SMOOTHING and not _has_scheme(settings):
            smoothed = name, settings
        elif name in QUANTIZING:
            found += _quantizations(name, settings, smoothed)
            smoothed = None
        else:
            raise RecipeError(
                "llm-compressor's {name} has no counterpart here; these have one: {known}",
                name=name, known=", ".join(sorted({*PRUNING, *QUANTIZING, *SMOOTHING})),
            )  # fmt: skip
    if smoothed is not None:
        raise RecipeError("no quantization follows llm-compressor's {name}", name=smoothed[0])
    return found


def _modifiers(data: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for stage, groups in data.items():
        if not stage.endswith(STAGE):
            continue
        for group, modifiers in mapping(groups, stage).items():
            if group.endswith(GROUP):
                for name, settings in mapping(modifiers, group).items():
                    yield name, mapping(settings or {}, name)


def _has_scheme(settings: Mapping[str, Any]) -> bool:
    return bool(settings.get("scheme") or settings.get("config_groups"))


def _pruning(name: str, settings: Mapping[str, Any]) -> JsonObject:
    structure = str(settings.get("mask_structure", "0:0"))
    if structure not in PATTERNS:
        raise RecipeError("zeros in the structure {structure} have no counterpart here", structure=structure)
    values: JsonObject = {
        "method": PRUNING[name], "sparsity": settings.get("sparsity"), "pattern": PATTERNS[structure], "refit": False,
    }  # fmt: skip
    if name == "SparseGPTModifier":
        values["damping"] = settings.get("dampening_frac", 0.01)
    return step("prune", values, _layers(settings.get("targets", ["Linear"]), settings.get("ignore", [])))


def _quantizations(
    name: str, settings: Mapping[str, Any], smoothed: tuple[str, Mapping[str, Any]] | None
) -> Iterator[JsonObject]:
    method, more = QUANTIZING[name], dict[str, Any]()
    if smoothed is not None:
        if name != "QuantizationModifier":
            raise RecipeError(
                "{smoothed} before {name} has no counterpart here, only before QuantizationModifier",
                smoothed=smoothed[0], name=name,
            )  # fmt: skip
        method = SMOOTHING[smoothed[0]]
        more = {"alpha": smoothed[1].get("smoothing_strength", 0.5)} if method == "smoothquant" else {}
    if method == "gptq":
        more = {"damping": settings.get("dampening_frac", 0.01)}
        more["act_order"] = settings.get("actorder", "static") is not None
    if method == "signround":
        more = {"steps": settings.get("iters", 200)}
    for scheme, targets in _schemes(settings):
        layers = _layers(targets, settings.get("ignore", []))
        yield step("quantize", _grid(method, mapping(scheme, "a scheme")) | more, layers)


def _schemes(settings: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Each scheme with its targets."""
    scheme, targets = settings.get("scheme"), settings.get("targets", ["Linear"])
    if isinstance(scheme, str):
        yield _preset(scheme), targets
    elif isinstance(scheme, Mapping) and set(scheme) <= set(PRESETS):
        yield from ((_preset(name), chosen) for name, chosen in scheme.items())
    elif scheme is not None:
        yield scheme, targets
    for group in mapping(settings.get("config_groups") or {}, "config_groups").values():
        yield group, mapping(group, "a group of layers").get("targets", targets)


def _preset(name: str) -> JsonObject:
    if name not in PRESETS:
        raise RecipeError(
            "the scheme {name} has no counterpart here; these have one: {known}", name=name, known=", ".join(PRESETS)
        )
    return PRESETS[name]


def _grid(method: str, scheme: Mapping[str, Any]) -> JsonObject:
    """The values of a quantize step."""
    weights = mapping(scheme.get("weights"), "weights")
    inputs = scheme.get("input_activations")
    if weights.get("type", "int") != "int" or weights.get("strategy", "channel") not in ("group", "channel"):
        raise RecipeError(
            "weights of type {kind} with a scale per {strategy} have no counterpart here",
            kind=weights.get("type"), strategy=weights.get("strategy"),
        )  # fmt: skip
    bits, symmetric = weights.get("num_bits"), weights.get("symmetric", True)
    if inputs is not None:
        return _with_inputs(method, bits, mapping(inputs, "input_activations"))
    if method == "smoothquant":
        raise RecipeError("SmoothQuant without rounded activations has no counterpart here")
    size = weights.get("group_size") if weights.get("strategy") == "group" else None
    found: JsonObject = {"method": method, "bits": bits, "group_size": size, "symmetric": symmetric}
    if method != "signround" and weights.get("observer") is not None:
        found["clip"] = CLIPS.get(str(weights["observer"]), "minmax")
    return found


def _with_inputs(method: str, bits: Any, inputs: Mapping[str, Any]) -> JsonObject:
    if method not in ("rtn", "smoothquant"):
        raise RecipeError("{method} with rounded activations has no counterpart here", method=method)
    values: JsonObject = {"bits": bits, "activation_bits": inputs.get("num_bits", 8)}
    whole = inputs.get("strategy") == "tensor"
    if method == "smoothquant":
        return {"method": method, **values, "activations": "tensor" if whole else "token"}
    if whole:
        raise RecipeError("one scale for all activations is read only after SmoothQuant")
    return {"method": "dynamic", **values}


def _layers(targets: Any, ignore: Any) -> str | None:
    """The expression for the layers that `targets` name; None for all linear layers of the blocks."""
    named = strings(targets, "targets")
    left_out = [one for one in strings(ignore, "ignore") if one not in HEAD]
    if left_out:
        raise RecipeError(
            "layers that are ignored ({layers}) cannot be read; name those that are meant", layers=", ".join(left_out)
        )
    if named == ["Linear"]:
        return None
    return one_of([one.removeprefix("re:") if one.startswith("re:") else exactly(one) for one in named])
