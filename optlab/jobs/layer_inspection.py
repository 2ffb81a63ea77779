"""A run that looks inside one layer of a compressed model, from the artefact that was measured."""

from __future__ import annotations

from typing import Any

from optlab.errors import ModelError
from optlab.jobs import model_cache
from optlab.jobs.registry import Log
from optlab.messages import say
from optlab.progress import Progress, span
from optlab.protocol import Protocol
from optlab.recipes import Recipe


def execute(spec: dict[str, Any], progress: Progress, log: Log) -> dict[str, Any]:
    """spec: {"model", "recipe", "protocol", "layer"}. Returns that of
    `optlab.evaluation.layer_inspection.inspect_layer` as JSON.

    Raises ModelError when the layer is none of the model's or changed its shape, and whatever compression raises.
    """
    from optlab.evaluation.layer_inspection import inspect_layer
    from optlab.jobs.compressed_cache import packed

    protocol = Protocol.model_validate(spec["protocol"])
    model = model_cache.model(spec["model"], "float32", protocol.device, span(progress, 0.0, 0.2))
    compressed, _ = packed(model, Recipe.from_dict(spec["recipe"]), protocol, span(progress, 0.2, 0.9))
    name = spec["layer"]
    before, after = model.weight(name), compressed.model.weight(name)
    if before.shape != after.shape:
        raise ModelError(
            "{name} has another shape after this recipe, so its weights cannot be laid over each other",
            name=name,
        )
    progress(0.9, say("counting the weights of {name}", name=name))
    return inspect_layer(before.float(), after.float(), compressed.stored.get(name))
