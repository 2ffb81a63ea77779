"""A recipe of llm-compressor: modifiers in groups in stages, each with a scheme or with groups of layers.

A modifier that only smooths (SmoothQuant, AWQ) belongs to the quantization that follows it, as one method here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from optlab.errors import RecipeError
from optlab.files import JsonObject
from optlab.recipe_readers.words import exactly, mapping, one_of, refuse_others, step, strings, whether

STAGE, GROUP = "_stage", "_modifiers"
QUANTIZING = {
    "QuantizationModifier": "rtn", "GPTQModifier": "gptq", "AWQModifier": "awq", "AutoRoundModifier": "signround",
}  # fmt: skip
SMOOTHING = {"SmoothQuantModifier": "smoothquant", "AWQModifier": "awq"}
PRUNING = {"WandaPruningModifier": "wanda", "SparseGPTModifier": "sparsegpt"}
PATTERNS = {"0:0": "unstructured", "2:4": "2:4", "4:8": "4:8"}
CLIPS = {None: "minmax", "memoryless_minmax": "minmax", "minmax": "minmax", "static_minmax": "minmax",
         "memoryless_mse": "mse", "mse": "mse"}  # fmt: skip
"""How a range is searched, and as the tool does where nothing is said."""
CLIPPED = ("rtn", "gptq", "awq")
IN_FOUR = {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": 128}
IN_EIGHT = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel"}
PRESETS: dict[str, JsonObject] = {
    "W8A16": {"weights": IN_EIGHT},
    "W4A16": {"weights": IN_FOUR},
    "W4A16_ASYM": {"weights": {**IN_FOUR, "symmetric": False}},
    "W8A8": {"weights": IN_EIGHT, "input_activations": {"num_bits": 8, "strategy": "token", "dynamic": True}},
}
PRESETS["INT8"] = PRESETS["W8A8"]
OUTSIDE = {f"{mark}{name}{end}" for name in ("lm_head", "embed_tokens", "model.embed_tokens")
           for mark in ("", "re:", "re:.*") for end in ("", "$", ".*")}  # fmt: skip
"""What may be left out of "all linear layers": here these never hold the head or the embedding."""
BLOCKS = re.compile(r"re:(?P<block>.*layers.*(?:\\d|\])[*+]?)\$")
"""What a pruning modifier once had as targets: the blocks one after another, in which it pruned every linear layer."""
OWL: JsonObject = {"sparsity_profile": "owl", "owl_m": 5.0, "owl_lmbda": 0.08}
"""What `optlab.prune.allocation` does, in their words."""
UNSAID: JsonObject = {"kv_cache_scheme": None, "output_activations": None}
"""What changes the model and has no counterpart, where it is not as here."""


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
    if not found:
        raise RecipeError("this recipe of llm-compressor has no modifiers")
    rounded = [one.get("layers") for one in found if "quantize" in one]
    if len(rounded) > 1 and None in rounded:
        raise RecipeError("one group holds all linear layers and another some of them; name the layers of each group")
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
        "allocation": _allocation(settings),
    }  # fmt: skip
    if name == "SparseGPTModifier":
        values["damping"] = settings.get("dampening_frac", settings.get("percdamp", 0.01))
    targets = [_inside(one) for one in strings(settings.get("targets", ["Linear"]), "targets")]
    return step("prune", values, _layers(targets, settings.get("ignore", [])))


def _allocation(settings: Mapping[str, Any]) -> str:
    """How zeros are shared out between layers."""
    profile = settings.get("sparsity_profile")
    if profile is None:
        return "uniform"
    refuse_others(settings, OWL)
    return "owl"


def _inside(target: str) -> str:
    """Every linear layer in the blocks that `target` names, where it names blocks."""
    blocks = BLOCKS.fullmatch(target)
    return rf"re:{blocks['block']}\." if blocks else target


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
    grid = settings if name == "AWQModifier" else smoothed[1] if smoothed is not None else {}
    if method == "awq" and "n_grid" in grid:
        more = {"grid": grid["n_grid"]}
    refuse_others(settings, UNSAID)
    for scheme, targets in _schemes(settings):
        layers = _layers(targets, settings.get("ignore", []))
        described = mapping(scheme, "a scheme")
        refuse_others(described, UNSAID)
        # an older place of the same setting
        ordered = mapping(described.get("weights") or {}, "weights").get("actorder")
        again = {"act_order": True} if method == "gptq" and ordered is not None else {}
        yield step("quantize", _grid(method, described) | more | again, layers)


def _schemes(settings: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Each scheme with its targets."""
    scheme, targets = settings.get("scheme"), settings.get("targets", ["Linear"])
    if isinstance(scheme, str):
        yield _preset(scheme), targets
    elif isinstance(scheme, Mapping) and {str(name).upper() for name in scheme} <= set(PRESETS):
        yield from ((_preset(name), chosen) for name, chosen in scheme.items())
    elif scheme is not None:
        yield scheme, targets
    for group in mapping(settings.get("config_groups") or {}, "config_groups").values():
        yield group, mapping(group, "a group of layers").get("targets", targets)


def _preset(name: str) -> JsonObject:
    name = name.upper()
    if name not in PRESETS:
        raise RecipeError(
            "the scheme {name} has no counterpart here; these have one: {known}", name=name, known=", ".join(PRESETS)
        )
    return PRESETS[name]


def _grid(method: str, scheme: Mapping[str, Any]) -> JsonObject:
    """The values of a quantize step."""
    weights = mapping(scheme.get("weights"), "weights")
    inputs = scheme.get("input_activations")
    size = weights.get("group_size")
    size = None if size == -1 else size
    strategy = weights.get(
        "strategy", "tensor" if "group_size" not in weights else "channel" if size is None else "group"
    )
    if weights.get("type", "int") != "int" or strategy not in ("group", "channel"):
        raise RecipeError(
            "weights of type {kind} with a scale per {strategy} have no counterpart here",
            kind=weights.get("type", "int"), strategy=strategy,
        )  # fmt: skip
    if strategy == "group" and size is None:
        raise RecipeError("a scale per group needs the group_size of its weights")
    bits, symmetric = weights.get("num_bits"), whether(weights.get("symmetric", True), "symmetric")
    if inputs is not None:
        if strategy != "channel" or not symmetric:
            raise RecipeError(
                "rounded activations have a counterpart here only where weights have one scale per channel and no zero "
                "points"
            )
        return _with_inputs(method, bits, mapping(inputs, "input_activations"))
    if method == "smoothquant":
        raise RecipeError("SmoothQuant without rounded activations has no counterpart here")
    found: JsonObject = {
        "method": method, "bits": bits, "group_size": size if strategy == "group" else None, "symmetric": symmetric
    }  # fmt: skip
    observer = weights.get("observer")
    if method in CLIPPED:
        if observer not in CLIPS:
            raise RecipeError("the observer {name!r:.80} has no counterpart here", name=observer)
        found["clip"] = CLIPS[observer]
    return found


def _with_inputs(method: str, bits: Any, inputs: Mapping[str, Any]) -> JsonObject:
    if method not in ("rtn", "smoothquant"):
        raise RecipeError("{method} with rounded activations has no counterpart here", method=method)
    refuse_others(inputs, {"type": "int", "symmetric": True})
    values: JsonObject = {"bits": bits, "activation_bits": inputs.get("num_bits", 8)}
    strategy = inputs.get("strategy", "tensor")
    if strategy not in ("token", "tensor"):
        raise RecipeError("activations with a scale per {strategy} have no counterpart here", strategy=strategy)
    if method == "smoothquant":
        return {"method": method, **values, "activations": strategy}
    if strategy == "tensor":
        raise RecipeError("one scale for all activations is read only after SmoothQuant")
    return {"method": "dynamic", **values}


def _layers(targets: Any, ignore: Any) -> str | None:
    """The expression for the layers that `targets` name; None for all linear layers of the blocks.

    A target is a name, an expression after "re:", or the class of the modules that are meant.
    """
    named = strings(targets, "targets")
    left_out = [one for one in strings(ignore, "ignore") if one not in OUTSIDE]
    if left_out:
        raise RecipeError(
            "layers that are ignored ({layers}) cannot be read; name those that are meant", layers=", ".join(left_out)
        )
    if named == ["Linear"]:
        return None
    if kinds := [one for one in named if one.isidentifier() and one[0].isupper()]:
        raise RecipeError("targets are {known} or names of layers, not {kinds}", known="Linear", kinds=", ".join(kinds))
    return one_of([one.removeprefix("re:") if one.startswith("re:") else exactly(one) for one in named])
