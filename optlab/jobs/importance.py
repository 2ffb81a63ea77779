"""A run that judges every attention head of a model on a few windows of its calibration text."""

from __future__ import annotations

from typing import Any

from optlab.jobs import model_cache
from optlab.jobs.registry import Log
from optlab.machine.locks import compute_lock
from optlab.progress import Progress, span
from optlab.protocol import Protocol

WINDOWS = 8
"""Enough to tell heads apart whose importance differs by half; a backward pass each."""


def execute(spec: dict[str, Any], progress: Progress, log: Log) -> dict[str, Any]:
    """spec: {"model", "protocol"}. Returns {"heads": [blocks][heads] in nats per token, "shared": heads that read the
    same keys and values, "windows"}. Raises ModelError, RecipeError (heads that cannot be told apart), TextError."""
    from optlab.calibrate.head_importance import head_importance
    from optlab.models.heads import heads_of
    from optlab.texts import calibration_windows

    protocol = Protocol.model_validate(spec["protocol"])
    with compute_lock():
        model = model_cache.model(spec["model"], "float32", protocol.device, span(progress, 0.0, 0.2))
        length = min(protocol.context, model.description.context_length)
        text = str(protocol.calibration)
        framing = model.framing(protocol.bos)
        windows = calibration_windows(text, model.tokenizer, WINDOWS * length, length, protocol.seed, framing)
        found = head_importance(model, windows, protocol.seed, span(progress, 0.2, 1.0))
        log(f"judged {found.numel()} heads on {len(windows)} windows")
        return {"heads": found.tolist(), "shared": heads_of(model).shared, "windows": len(windows)}
