"""A run that reads a passage with teacher and student and keeps what the temperature lab shows of every position."""

from __future__ import annotations

from optlab.errors import TextError
from optlab.jobs import model_cache
from optlab.jobs.kind import GENERATING, JobKind, Log
from optlab.jobs.resolution import text_identity, title
from optlab.messages import say
from optlab.progress import Progress, span
from optlab.results.document import Nothing
from optlab.results.temperature_lab import TemperatureLab, TemperatureLabSpec
from optlab.store import artefacts

LENGTH = 40
"""Tokens of a passage: what fits a few lines."""


def execute(spec: TemperatureLabSpec, progress: Progress, log: Log) -> TemperatureLab:
    """`optlab.distill.temperature_lab.position` of every word of the passage but the last.

    Raises TextError when the text has no such passage, and whatever compression raises.
    """
    import torch

    from optlab import texts
    from optlab.distill import temperature_lab
    from optlab.jobs.compressed_cache import packed

    protocol = spec.protocol
    teacher = model_cache.model(spec.model, "float32", protocol.device, span(progress, 0.0, 0.2))
    begin = spec.passage * LENGTH
    ids = texts.evaluation_tokens(str(protocol.text), teacher.tokenizer, begin + LENGTH)[begin:]
    if len(ids) < 2:
        raise TextError(
            "{text} has no passage {passage}; choose an earlier one", text=protocol.text, passage=spec.passage
        )
    sides = [teacher]
    recipe = spec.known_recipe
    if recipe.steps:
        sides.append(packed(teacher, recipe, protocol, span(progress, 0.2, 0.9))[0].model)
    progress(0.9, say("reading the passage"))
    with torch.inference_mode():
        before = teacher.framing(protocol.bos).before
        read = torch.tensor([[*before, *ids]])
        found = [one.logits(read.to(one.device))[0, len(before) :].double().cpu().numpy() for one in sides]
    student = found[1] if len(found) > 1 else [None] * len(ids)
    positions = [
        temperature_lab.position(z_t, z_s, true) for z_t, z_s, true in zip(found[0], student, ids[1:], strict=False)
    ]
    names = {one for place in positions for one in place.ids}
    return TemperatureLab(
        tokens=tuple(teacher.tokenizer.readable(one) for one in ids),
        names={one: teacher.tokenizer.readable(one) for one in sorted(names)},
        positions=tuple(positions),
        temperatures=temperature_lab.TEMPERATURES,
    )


TEMPERATURE_LAB = JobKind(
    name="temperature_lab", label="temperature lab", spec=TemperatureLabSpec, partial=Nothing, result=TemperatureLab,
    execute=execute,
    decides=lambda spec, weights: [
        [artefacts.key(weights, spec.known_recipe, spec.protocol), text_identity(spec.protocol.text),
         spec.protocol.dtype, spec.protocol.device],
        spec.passage,
    ],
    title=lambda spec: say(
        "{model}: temperatures on passage {passage}", model=title(spec.model), passage=spec.passage + 1
    ),
    formerly=("soften",),
    priority=GENERATING,
    version=2,
)  # fmt: skip
