"""Every kind of run that this OptLab can do. A new kind is one file and one line here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from optlab.errors import OptLabError
from optlab.jobs.comparison import COMPARISON
from optlab.jobs.export import EXPORT
from optlab.jobs.generate import GENERATE
from optlab.jobs.importance import IMPORTANCE
from optlab.jobs.kind import JobKind
from optlab.jobs.latency_grid import LATENCY_GRID
from optlab.jobs.layer_inspection import LAYER_INSPECTION
from optlab.jobs.measure import MEASURE
from optlab.jobs.prepare import PREPARE
from optlab.jobs.probe import PROBE
from optlab.jobs.speed_anchors import SPEED_ANCHORS
from optlab.jobs.sweep import SWEEP
from optlab.jobs.tasks import TASKS
from optlab.jobs.temperature_lab import TEMPERATURE_LAB
from optlab.results.document import UnreadableError
from optlab.store.run import Run

Kinds = Mapping[str, JobKind[Any, Any, Any]]


def table(kinds: Iterable[JobKind[Any, Any, Any]]) -> Kinds:
    """Kinds by their name in the store."""
    return {kind.name: kind for kind in kinds}


KINDS: Kinds = table(
    [
        MEASURE, COMPARISON, GENERATE, LAYER_INSPECTION, IMPORTANCE, TASKS, LATENCY_GRID, TEMPERATURE_LAB, SWEEP,
        EXPORT, PREPARE, PROBE, SPEED_ANCHORS,
    ]
)  # fmt: skip


def kind_of(name: str, kinds: Kinds = KINDS) -> JobKind[Any, Any, Any]:
    """The kind of that name. Raises OptLabError when there is none."""
    if name not in kinds:
        raise OptLabError(
            "this OptLab cannot do runs of kind {name!r}; it does {kinds}", name=name, kinds=", ".join(kinds)
        )
    return kinds[name]


def model_of(run: Run, kinds: Kinds = KINDS) -> str | None:
    """The model that a run is about; None when this OptLab cannot read what was asked."""
    try:
        model: str = kinds[run.kind].spec_of(run).model
    except (KeyError, UnreadableError):
        return None
    return model
