"""A run that asks original and compressed model the same task, from the artefact that was measured."""

from __future__ import annotations

from typing import Any

from optlab.jobs import model_cache
from optlab.jobs.registry import Log
from optlab.machine.locks import compute_lock
from optlab.progress import Progress, span
from optlab.protocol import Protocol
from optlab.recipes import Recipe


def execute(spec: dict[str, Any], progress: Progress, log: Log) -> dict[str, Any]:
    """spec: {"model", "recipe", "protocol"}. Returns `optlab.evaluation.topics.compare` as JSON.

    Raises ModelError when the model does not continue a text, TextError without the articles, whatever compression
    raises, and Cancelled.
    """
    from optlab.evaluation.topics import ARTICLES, compare
    from optlab.jobs.compressed_cache import packed
    from optlab.texts.topics import articles

    protocol = Protocol.model_validate(spec["protocol"])
    with compute_lock():
        model = model_cache.model(spec["model"], "float32", protocol.device, span(progress, 0.0, 0.1))
        compressed, _ = packed(model, Recipe.from_dict(spec["recipe"]), protocol, span(progress, 0.1, 0.3))
        asked = articles(ARTICLES)
        log(f"asking for the topic of {len(asked)} articles")
        return compare(
            model.to(dtype=protocol.dtype), compressed.model.to(dtype=protocol.dtype), asked, span(progress, 0.3, 1.0)
        )
