"""A run that times a few recipes of a probed model on this machine, so that speed is predicted too: seconds, alone.

Nobody asks for it: a page does, when it would predict a speed and nothing else runs. So it makes way for everything
that somebody did ask for (`optlab.client.client.Client.submit`).
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from optlab.errors import ModelError
from optlab.jobs import model_cache
from optlab.jobs.kind import BACKGROUND, JobKind, Log
from optlab.jobs.resolution import title, unread_identity
from optlab.machine.identity import decoding_dtype, machine_id
from optlab.machine.locks import compute_lock
from optlab.messages import say
from optlab.progress import Progress, silent, span
from optlab.results.document import Nothing
from optlab.results.model import SpeedSpec, SpeedTimed


def execute(spec: SpeedSpec, progress: Progress, log: Log) -> SpeedTimed:
    """How many recipes were timed. Raises ModelError when the model was not probed."""
    return time_speed(spec.model, progress, log)


def time_speed(name: str, progress: Progress = silent, log: Log = lambda line: None) -> SpeedTimed:
    """Time the speed anchors of model `name`, which was probed, and keep them."""
    from optlab.prediction.state import State, known
    from optlab.prediction.timing import disturbed, time_decoding

    def alone() -> AbstractContextManager[None]:
        return compute_lock(exclusive=True, waiting=lambda: progress(0.5, say("waiting until nothing else computes")))

    dtype = decoding_dtype()
    with compute_lock():
        model = model_cache.model(name, "float32", "auto", span(progress, 0.0, 0.3))
        probe = known(model.fingerprint)
        if probe is None:
            raise ModelError("the model was not probed yet; run a probe first, which takes a few minutes")
        anchors = time_decoding(model, State.load(probe), dtype, alone, span(progress, 0.3, 1.0))
    found = SpeedTimed(
        model=name, fingerprint=model.fingerprint, dtype=dtype, recipes=len(anchors.timed) if anchors else 0,
        disturbed=disturbed(anchors) if anchors else False,
    )  # fmt: skip
    log(f"timed {found.recipes} recipes{', while something else ran' if found.disturbed else ''}")
    return found


SPEED_ANCHORS = JobKind(
    name="speed_anchors", label="timing", spec=SpeedSpec, partial=Nothing, result=SpeedTimed, execute=execute,
    decides=lambda spec, weights: [unread_identity(spec.model), machine_id()],
    title=lambda spec: say("time {model}", model=title(spec.model)),
    priority=BACKGROUND,
    modules=("optlab.prediction.timing", "optlab.kernels.runtime", "optlab.evaluation.latency"),
)  # fmt: skip
