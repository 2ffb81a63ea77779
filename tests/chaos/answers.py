"""What a measurement found, without what may differ: how long it took, and where its file is."""

from __future__ import annotations

import hashlib
from pathlib import Path

from optlab.jobs.measure import MEASURE
from optlab.results.environment import Environment
from optlab.results.measurement import Measurement, Seconds
from optlab.store.run import Run

Answer = tuple[str, dict[str, str]]
"""Every figure as JSON, and the packed file's SHA-256."""


def answer(run: Run) -> Answer | None:
    """None where it found nothing."""
    found = MEASURE.result_of(run) if run.done else None
    if not isinstance(found, Measurement) or found.artefact is None:
        return None
    untimed = found.model_copy(update={"seconds": Seconds(), "environment": Environment(), "artefact": None})
    files = Path(found.artefact).glob("*.safetensors")
    return untimed.to_json(), {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
