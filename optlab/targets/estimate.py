"""Whether a model with a recipe fits a device, exactly, and about how fast it would decode there.

Memory: the weights as they are stored, and keys and values at the end of the context. Speed: what a token reads over
the device's bandwidth, or what it multiplies over its arithmetic where that takes longer, divided by the share of the
bandwidth that decoding reached on machines so far (`observed`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from optlab.errors import ModelError
from optlab.forecast.cache import blocks_of, cache_bytes
from optlab.forecast.stored import layer_bytes
from optlab.models.describe import Description
from optlab.recipes import Recipe
from optlab.results.estimate import TargetEstimate, TargetEstimates, TokenRate
from optlab.targets.devices import DEVICES, Device
from optlab.targets.observed import PACKED, Timing, shares

OPERATIONS = 2
"""A multiplication and an addition for each weight."""
EXPERTS_USED = ("num_experts_per_tok", "num_experts_per_token", "moe_top_k", "top_k_experts")
EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")


def estimates(
    description: Description,
    config: Mapping[str, Any],
    recipe: Recipe,
    context: int,
    timings: Iterable[Timing],
    devices: Sequence[Device] = DEVICES,
) -> TargetEstimates:
    """config: the model's `config.json`. timings: of this machine. Raises RecipeError where the size of what the recipe
    makes is not known before, ModelError where the config does not say what the cache holds, or the model does not read
    that many tokens."""
    if context > description.context_length:
        raise ModelError(
            "{name} reads at most {limit} tokens at once; use a context of {limit} or less",
            name=description.model,
            limit=description.context_length,
        )
    stored = layer_bytes(description, recipe)
    cache = cache_bytes(blocks_of(config, description.objective), description, recipe, context)
    share = {layer.name: _read(layer.name, layer.kind, description.tied, config) for layer in description.layers}
    read = round(sum(share[name] * size for name, size in stored.items())) + cache
    dense = sum(share[layer.name] * layer.bytes for layer in description.layers)
    multiplied = sum(share[layer.name] * layer.parameters for layer in description.layers)
    packed = read - cache < PACKED * dense
    known = tuple(timings)
    weights = sum(stored.values())
    return TargetEstimates(
        model=description.model, recipe=recipe, context=context, weight_bytes=weights, cache_bytes=cache,
        read_bytes=read,
        targets=tuple(_on(one, weights + cache, read, OPERATIONS * multiplied, packed, known) for one in devices),
    )  # fmt: skip


def _on(
    device: Device, needed: int, read: int, operations: float, packed: bool, timings: Sequence[Timing]
) -> TargetEstimate:
    roofline_s = max(read / device.bandwidth, operations / device.flops if device.flops else 0.0)
    left = device.memory_bytes - needed
    reached = shares(timings, packed, 1000 * roofline_s) if left >= 0 else None
    found = TargetEstimate(
        name=device.name, title=device.title, source=device.source, memory_bytes=device.memory_bytes,
        bandwidth=device.bandwidth, left_bytes=left,
    )  # fmt: skip
    if reached is None:
        return found
    speed = TokenRate(
        per_s=reached.middle / roofline_s, band=(reached.low / roofline_s, reached.high / roofline_s),
        timings=reached.timings, machines=reached.machines,
    )  # fmt: skip
    return found.model_copy(update={"tokens": speed})


def _read(name: str, kind: str, tied: bool, config: Mapping[str, Any]) -> float:
    """The share of a tensor that one token reads: a row of an embedding, the experts that were chosen, all else."""
    if kind == "embedding" and not tied:
        return 0.0
    if ".experts." not in name:
        return 1.0
    said = config.get("text_config") or config
    used, there = (next((said[key] for key in keys if said.get(key)), None) for keys in (EXPERTS_USED, EXPERTS))
    return min(float(used) / float(there), 1.0) if used and there else 1.0
