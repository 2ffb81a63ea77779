"""A run that looks at a model once, so that every recipe of it can be predicted from then on."""

from __future__ import annotations

from contextlib import AbstractContextManager

from optlab.jobs import model_cache
from optlab.jobs.kind import PREPARING, JobKind, Log
from optlab.jobs.resolution import title, unread_identity
from optlab.machine.identity import machine_id, resolve_dtype
from optlab.machine.locks import compute_lock
from optlab.messages import say
from optlab.prediction.state import VERSION
from optlab.progress import Progress, silent, span
from optlab.results.model import Probed, ProbeSpec, ProbingSoFar


def execute(spec: ProbeSpec, progress: Progress, log: Log) -> Probed:
    """How much is known of the model then. Raises ModelError, TextError."""
    return probe(spec.model, progress, log)


def probe(name: str, progress: Progress = silent, log: Log = lambda line: None) -> Probed:
    """Make or finish the probe of model `name`; what it found is on disk after every part."""
    from optlab.prediction.build import build
    from optlab.prediction.timing import time_decoding

    def alone() -> AbstractContextManager[None]:
        return compute_lock(exclusive=True, waiting=lambda: progress(0.97, say("waiting for other runs to finish")))

    with compute_lock():
        model = model_cache.model(name, "float32", "auto", span(progress, 0.0, 0.02))
        state = build(model, span(progress, 0.02, 0.95))
        log(f"probed {len(state.names)} layers, measured {len(state.anchors)} recipes")
    time_decoding(model, state, resolve_dtype("auto", "auto"), alone, span(progress, 0.95, 1.0))
    log(f"timed {len(state.timings)} recipes")
    return Probed(
        model=name, fingerprint=state.fingerprint, anchors=len(state.anchors), families=tuple(state.tables),
        timings=len(state.timings),
    )  # fmt: skip


PROBE = JobKind(
    name="probe", label="probe", spec=ProbeSpec, partial=ProbingSoFar, result=Probed, execute=execute,
    decides=lambda spec, weights: [unread_identity(spec.model), machine_id()],
    title=lambda spec: say("probe {model}", model=title(spec.model)),
    version=VERSION,
    priority=PREPARING,
    modules=("optlab.prediction.build", "optlab.prediction.timing"),
)  # fmt: skip
