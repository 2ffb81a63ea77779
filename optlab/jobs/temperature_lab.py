"""A run that reads a passage with teacher and student and keeps what the temperature lab shows of every position."""

from __future__ import annotations

from typing import Any

from optlab.errors import TextError
from optlab.jobs import model_cache
from optlab.jobs.registry import Log
from optlab.messages import say
from optlab.progress import Progress, span
from optlab.protocol import Protocol
from optlab.recipes import Recipe

LENGTH = 40
"""Tokens of a passage: what fits a few lines."""


def execute(spec: dict[str, Any], progress: Progress, log: Log) -> dict[str, Any]:
    """spec: {"model", "recipe" or None, "protocol", "passage"}: the how manieth piece of the evaluation text.

    Returns {"tokens": words of the passage, "names": id -> word, "positions": `temperature_lab.position` for each word
    but the last, "temperatures"}. Raises TextError when the text has no such passage, and whatever compression raises.
    """
    import torch

    from optlab import texts
    from optlab.distill import temperature_lab
    from optlab.jobs.compressed_cache import packed

    protocol = Protocol.model_validate(spec["protocol"])
    teacher = model_cache.model(spec["model"], "float32", protocol.device, span(progress, 0.0, 0.2))
    begin = spec["passage"] * LENGTH
    ids = texts.evaluation_tokens(str(protocol.text), teacher.tokenizer, begin + LENGTH)[begin:]
    if len(ids) < 2:
        raise TextError(
            "{text} has no passage {passage}; choose an earlier one",
            text=protocol.text,
            passage=spec["passage"],
        )
    sides = [teacher]
    if spec["recipe"] is not None:
        recipe = Recipe.from_dict(spec["recipe"])
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
    names = {one for place in positions for one in place["ids"]}
    return {
        "tokens": [teacher.tokenizer.decode([one]) for one in ids],
        "names": {str(one): teacher.tokenizer.decode([one]) for one in sorted(names)},
        "positions": positions, "temperatures": list(temperature_lab.TEMPERATURES),
    }  # fmt: skip
