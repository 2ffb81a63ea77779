"""A run that looks at a model once, so that every recipe of it can be predicted from then on."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from optlab.jobs import model_cache
from optlab.jobs.registry import Log
from optlab.machine.identity import resolve_dtype
from optlab.machine.locks import compute_lock
from optlab.messages import say
from optlab.progress import Progress, silent, span


def execute(spec: dict[str, Any], progress: Progress, log: Log) -> dict[str, Any]:
    """spec: {"model": name}. Returns how much is known: anchors, families, timings. Raises ModelError, TextError."""
    return probe(spec["model"], progress, log)


def probe(name: str, progress: Progress = silent, log: Log = lambda line: None) -> dict[str, Any]:
    """Make or finish the probe of model `name`; what it found is on disk after every part."""
    from optlab.prediction.build import build
    from optlab.prediction.timing import time_decoding

    def alone() -> AbstractContextManager[None]:
        return compute_lock(exclusive=True, waiting=lambda: progress(0.97, say("waiting until nothing else computes")))

    with compute_lock():
        model = model_cache.model(name, "float32", "auto", span(progress, 0.0, 0.02))
        state = build(model, span(progress, 0.02, 0.95))
        log(f"probed {len(state.names)} layers, measured {len(state.anchors)} recipes")
    time_decoding(model, state, resolve_dtype("auto", "auto"), alone, span(progress, 0.95, 1.0))
    log(f"timed {len(state.timings)} recipes")
    return {
        "model": name,
        "fingerprint": state.fingerprint,
        "anchors": len(state.anchors),
        "families": list(state.tables),
        "timings": state.timings,
    }
