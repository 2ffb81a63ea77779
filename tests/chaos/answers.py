"""What a measurement found, without what may differ: how long it took, and where its file is."""

from __future__ import annotations

import hashlib
from pathlib import Path

from optlab.jobs.measure import MEASURE
from optlab.results.environment import Environment
from optlab.results.measurement import Measurement, Seconds
from optlab.results.training import Training
from optlab.store.run import Run

Answer = tuple[str, dict[str, str]]
"""Every figure as JSON, and the packed file's SHA-256."""


def answer(run: Run) -> Answer | None:
    """None where it found nothing."""
    found = MEASURE.result_of(run) if run.done else None
    if not isinstance(found, Measurement) or found.artefact is None:
        return None
    trainings = tuple(map(_untimed, found.trainings))
    untimed = found.model_copy(
        update={"seconds": Seconds(), "environment": Environment(), "artefact": None, "trainings": trainings}
    )
    files = Path(found.artefact).glob("*.safetensors")
    return untimed.to_json(), {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _untimed(training: Training) -> Training:
    curves = {name: getattr(training, name) for name in ("loss", "held_out")}
    return training.model_copy(
        update={name: tuple(one._replace(seconds=0.0) for one in curve) for name, curve in curves.items()}
    )
