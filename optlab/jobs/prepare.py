"""A run that makes a model ready: converted or downloaded once, its weights hashed, its layers listed."""

from __future__ import annotations

from typing import Any

from optlab.jobs.registry import Log
from optlab.models.catalog import resolve
from optlab.models.describe import describe
from optlab.progress import Progress, span


def execute(spec: dict[str, Any], progress: Progress, log: Log) -> dict[str, Any]:
    """spec: {"model": name}. Returns the description of the model as JSON. Raises ModelError."""
    folder = resolve(spec["model"], span(progress, 0.0, 0.8))
    log(f"{spec['model']} is in {folder}")
    return describe(spec["model"], span(progress, 0.8, 1.0)).to_dict()
