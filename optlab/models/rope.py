"""What a config.json says about rotary positions, as fields of our Config.

Every kind needs numbers of its own; what is missing or no number is said here, because no program could compute it.
Kinds whose frequencies change while a text grows (dynamic, longrope) are left to transformers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from optlab.errors import ModelError
from optlab.models.architectures import FULL, SLIDING, Architecture
from optlab.models.hub_config import HubConfig, ImpossibleConfigError, real, whole

ORIGINAL = "original_max_position_embeddings"
NEEDED = {
    "default": (),
    "linear": ("factor",),
    "llama3": ("factor", "high_freq_factor", "low_freq_factor"),
    "yarn": ("factor",),
}
"""The kinds of rotary positions that our Transformer computes, and the numbers that each needs."""
LONGER = ("llama3", "yarn")
"""Kinds that know how long the texts of the first training were; all the model reads, where nothing else is said."""
OF_YARN = {"attention_factor": None, "beta_fast": 32.0, "beta_slow": 1.0, "mscale": None, "mscale_all_dim": None}
"""Numbers that YaRN (Peng et al., arXiv 2309.00071) may have, and what their absence means."""


def rope(hub: Mapping[str, Any], said: Mapping[str, Any], architecture: Architecture, context_length: int) -> HubConfig:
    """rope_theta, rope_scaling and rotary_dim. Raises ModelError for what our Transformer does not compute."""
    found = dict(said["rope_scaling"] or said["rope_parameters"] or {})
    if hub["model_type"] == "gpt_neox":
        theta, share = said["rotary_emb_base"], said["rotary_pct"]
    else:
        theta, share = said["rope_theta"] or architecture.theta, said.get("partial_rotary_factor")
    share = found.pop("partial_rotary_factor", share)
    share = (architecture.partial or 1.0) if share is None else real(share)
    if share != 1.0 and architecture.partial is None:
        raise ModelError(
            "rotary positions of a part of each head ({share:g}) are not part of this architecture",
            share=share,
        )
    if ORIGINAL in said:  # beside the sizes it counts more than inside
        found[ORIGINAL] = said[ORIGINAL]
    scaled = _scaling(found, theta, context_length)
    if share != 1.0:
        width, heads = (whole(hub[architecture.sizes[own]]) for own in ("width", "heads"))
        head_dim = said.get("head_dim") if architecture.reads_head_dim else None
        scaled["rotary_dim"] = int((width // heads if head_dim is None else whole(head_dim)) * share)
        if scaled["rotary_dim"] % 2 or not scaled["rotary_dim"]:
            raise ModelError("rotary positions of an odd number of features are not part of this Transformer")
    return scaled


def two_ropes(said: Mapping[str, Any], architecture: Architecture, context_length: int) -> HubConfig:
    """Gemma 3: blocks with a window have a base of their own and are not scaled."""
    nested = dict(said["rope_parameters"] or {})
    if set(nested) - {FULL, SLIDING}:
        raise ModelError("rotary positions that do not name the kinds of attention are not part of this architecture")
    full, local = dict(nested.get(FULL) or {}), dict(nested.get(SLIDING) or {})
    full |= said["rope_scaling"] or {}
    near = _scaling(local, said["rope_local_base_freq"], context_length)
    if near["rope_scaling"]:
        raise ModelError("scaled rotary positions of blocks with a window are not part of this Transformer")
    far = _scaling(full, said["rope_theta"] or architecture.theta, context_length)
    return {**far, "local_rope_theta": near["rope_theta"]}


def _scaling(found: Mapping[str, Any], theta: Any, context_length: int) -> HubConfig:
    """rope_theta and rope_scaling of what transformers calls rope_parameters."""
    kind = found.get("rope_type", found.get("type", "default"))
    given = {key: value for key, value in found.items() if key not in ("rope_type", "type", "rope_theta")}
    if kind not in NEEDED:
        raise ModelError("rotary positions of type {kind!r} are not part of this Transformer", kind=kind)
    # transformers notes where the original length came from in places of its own; it is read only where it counts.
    original = given.pop(ORIGINAL, context_length)
    if missing := sorted(set(NEEDED[kind]) - set(given)):
        raise ImpossibleConfigError(
            "config.json asks for rotary positions of type {kind!r} and does not say their {missing}",
            kind=kind,
            missing=", ".join(missing),
        )
    if kind in LONGER:
        given[ORIGINAL] = original
    truncate = given.pop("truncate", True) if kind == "yarn" else True
    known = {*NEEDED[kind], *(OF_YARN if kind == "yarn" else ()), *((ORIGINAL,) if kind in LONGER else ())}
    if set(given) - known or truncate is not True:
        raise ModelError("rotary positions of type {kind!r} that say more are not part of this Transformer", kind=kind)
    numbers = {key: _number(key, value) for key, value in given.items() if value is not None or key not in OF_YARN}
    base = _number("rope_theta", found.get("rope_theta", theta))
    for key, value in (("rope_theta", base), *((key, numbers.get(key, 1.0)) for key in ("factor", ORIGINAL))):
        if not value > 0:
            raise ImpossibleConfigError(
                "config.json says that {key} is {value:g}; it must be positive", key=key, value=value
            )
    if kind == "yarn":
        if base <= 1:
            raise ModelError("rotary positions of a base of {base:g} are not part of this Transformer", base=base)
        numbers = _yarn(numbers)
    return {
        "rope_theta": base,
        "rope_scaling": () if kind == "default" else (("rope_type", kind), *sorted(numbers.items())),
    }


def _number(key: str, value: Any) -> float:
    try:
        return real(value)
    except ValueError:
        raise ImpossibleConfigError(
            "config.json says that {key} of its rotary positions is {value!r}, which is no number",
            key=key,
            value=value,
        ) from None


def _yarn(numbers: HubConfig) -> HubConfig:
    """With what is not said filled in: attention_factor is what cosines and sines are multiplied by (section 3.4)."""
    factor, scale, scale_all = numbers["factor"], numbers.pop("mscale", None), numbers.pop("mscale_all_dim", None)

    def growth(weight: float) -> float:
        return 1.0 if factor <= 1 else 0.1 * weight * math.log(factor) + 1.0

    usual = growth(scale) / growth(scale_all) if scale and scale_all else growth(1.0)
    filled = {"attention_factor": usual, **numbers}
    # Zero is absence here, as in transformers.
    return {**filled, **{key: filled.get(key) or OF_YARN[key] for key in ("beta_fast", "beta_slow")}}
