"""A run that judges every attention head of a model on a few windows of its calibration text."""

from __future__ import annotations

from optlab.jobs import model_cache
from optlab.jobs.kind import GENERATING, JobKind, Log
from optlab.jobs.resolution import text_identity, title
from optlab.machine.locks import compute_lock
from optlab.messages import say
from optlab.progress import Progress, span
from optlab.results.document import Nothing
from optlab.results.model import HeadImportance, ImportanceSpec

WINDOWS = 8
"""Enough to tell heads apart whose importance differs by half; a backward pass each."""


def execute(spec: ImportanceSpec, progress: Progress, log: Log) -> HeadImportance:
    """What each head matters. Raises ModelError, RecipeError (heads that cannot be told apart), TextError."""
    from optlab.calibrate.head_importance import head_importance
    from optlab.models.heads import heads_of
    from optlab.texts import calibration_windows

    protocol = spec.protocol
    with compute_lock():
        model = model_cache.model(spec.model, "float32", protocol.device, span(progress, 0.0, 0.2))
        length = min(protocol.context, model.description.context_length)
        text = str(protocol.calibration)
        framing = model.framing(protocol.bos)
        windows = calibration_windows(text, model.tokenizer, WINDOWS * length, length, protocol.seed, framing)
        found = head_importance(model, windows, protocol.seed, span(progress, 0.2, 1.0))
        log(f"judged {found.numel()} heads on {len(windows)} windows")
        return HeadImportance(heads=found.tolist(), shared=heads_of(model).shared, windows=len(windows))


IMPORTANCE = JobKind(
    name="importance", label="head importance", spec=ImportanceSpec, partial=Nothing, result=HeadImportance,
    execute=execute,
    decides=lambda spec, weights: [
        weights, [text_identity(spec.protocol.calibration), spec.protocol.context, spec.protocol.seed],
    ],
    title=lambda spec: say("{model}: heads", model=title(spec.model)),
    priority=GENERATING,
)  # fmt: skip
