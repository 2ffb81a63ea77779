"""A run that looks inside one layer of a compressed model, from the artefact that was measured."""

from __future__ import annotations

from optlab.errors import ModelError
from optlab.jobs import model_cache
from optlab.jobs.kind import GENERATING, JobKind, Log
from optlab.jobs.resolution import title
from optlab.messages import say
from optlab.progress import Progress, span
from optlab.results.document import Nothing
from optlab.results.layer_inspection import LayerInspection, LayerInspectionSpec
from optlab.store import artefacts


def execute(spec: LayerInspectionSpec, progress: Progress, log: Log) -> LayerInspection:
    """What `optlab.evaluation.layer_inspection.inspect_layer` sees.

    Raises ModelError when the layer is none of the model's or changed its shape, and whatever compression raises.
    """
    from optlab.evaluation.layer_inspection import inspect_layer
    from optlab.jobs.compressed_cache import packed

    model = model_cache.model(spec.model, "float32", spec.protocol.device, span(progress, 0.0, 0.2))
    compressed, _ = packed(model, spec.known_recipe, spec.protocol, span(progress, 0.2, 0.9))
    name = spec.layer
    before, after = model.weight(name), compressed.model.weight(name)
    if before.shape != after.shape:
        raise ModelError(
            "{name} has another shape after this recipe, so its weights cannot be laid over each other",
            name=name,
        )
    progress(0.9, say("counting the weights of {name}", name=name))
    return inspect_layer(before.float(), after.float(), compressed.stored.get(name))


LAYER_INSPECTION = JobKind(
    name="layer_inspection", label="layer inspection", spec=LayerInspectionSpec, partial=Nothing,
    result=LayerInspection, execute=execute,
    decides=lambda spec, weights: [
        artefacts.key(weights, spec.known_recipe, spec.protocol), spec.protocol.device, spec.layer,
    ],
    title=lambda spec: say(
        "{model}: inside {layer}, {recipe}", model=title(spec.model), layer=spec.layer,
        recipe=spec.known_recipe.describe(),
    ),
    priority=GENERATING,
    formerly=("anatomy",),
    portable=True,
)  # fmt: skip
