"""A run that makes a model ready: converted or downloaded once, its weights hashed, its layers listed."""

from __future__ import annotations

from optlab.jobs.kind import PREPARING, JobKind, Log
from optlab.jobs.resolution import title, unread_identity
from optlab.messages import say
from optlab.models.catalog import ready_folder
from optlab.models.describe import VERSION, Description, describe_apart
from optlab.progress import Progress
from optlab.results.document import Nothing
from optlab.results.model import PrepareSpec


def execute(spec: PrepareSpec, progress: Progress, log: Log) -> Description:
    """The description of the model. Raises ModelError."""
    found = describe_apart(spec.model, progress)
    log(f"{spec.model} is in {ready_folder(spec.model)}")
    return found


PREPARE = JobKind(
    name="prepare", label="preparation", spec=PrepareSpec, partial=Nothing, result=Description, execute=execute,
    decides=lambda spec, weights: [unread_identity(spec.model)],  # its fingerprint is what the run is to find out
    title=lambda spec: say("prepare {model}", model=title(spec.model)),
    version=VERSION,
    priority=PREPARING,
)  # fmt: skip
