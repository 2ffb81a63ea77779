"""A run that looks at a model once, so that every recipe of it can be predicted from then on."""

from __future__ import annotations

from optlab.jobs import model_cache
from optlab.jobs.kind import PREPARING, JobKind, Log
from optlab.jobs.resolution import title, unread_identity
from optlab.jobs.speed_anchors import time_speed
from optlab.machine.identity import machine_id
from optlab.machine.locks import compute_lock
from optlab.messages import say
from optlab.prediction.state import VERSION
from optlab.progress import Progress, silent, span
from optlab.results.model import Probed, ProbeSpec, ProbingSoFar


def execute(spec: ProbeSpec, progress: Progress, log: Log) -> Probed:
    """How much is known of the model then. Raises ModelError, TextError."""
    return probe(spec.model, progress, log)


def probe(name: str, progress: Progress = silent, log: Log = lambda line: None) -> Probed:
    """Make or finish the probe of model `name` and time its speed anchors; what was found is on disk after every part.

    A probe that OptLab brought along, or that somebody gave, is not made again.
    """
    from optlab.prediction.build import build

    with compute_lock():
        model = model_cache.model(name, "float32", "auto", span(progress, 0.0, 0.02))
        state = build(model, span(progress, 0.02, 0.95))
        log(f"probed {len(state.names)} layers, measured {len(state.anchors)} recipes")
    timed = time_speed(name, span(progress, 0.95, 1.0), log)
    return Probed(
        model=name, fingerprint=state.fingerprint, anchors=len(state.anchors), families=tuple(state.tables),
        timings=timed.recipes,
    )  # fmt: skip


PROBE = JobKind(
    name="probe", label="probe", spec=ProbeSpec, partial=ProbingSoFar, result=Probed, execute=execute,
    decides=lambda spec, weights: [unread_identity(spec.model), machine_id()],
    title=lambda spec: say("probe {model}", model=title(spec.model)),
    version=VERSION,
    priority=PREPARING,
    modules=("optlab.prediction.build", "optlab.jobs.speed_anchors"),
)  # fmt: skip
