"""Which function does the work of which kind of run.

An executor is `execute(spec, progress, log) -> result`: the plain JSON that was submitted in, plain JSON out. It calls
`progress` between small pieces of work and lets the `Cancelled` that this may raise through.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from optlab.errors import OptLabError
from optlab.progress import Progress

Log = Callable[[str], None]
Executor = Callable[[dict[str, Any], Progress, Log], dict[str, Any]]

TABLE: dict[str, str] = {
    "measure": "optlab.jobs.measure:execute",
    "generate": "optlab.jobs.generate:execute",
    "layer_inspection": "optlab.jobs.layer_inspection:execute",
    "importance": "optlab.jobs.importance:execute",
    "tasks": "optlab.jobs.tasks:execute",
    "prepare": "optlab.jobs.prepare:execute",
    "probe": "optlab.jobs.probe:execute",
    "latency_grid": "optlab.jobs.latency_grid:execute",
    "temperature_lab": "optlab.jobs.temperature_lab:execute",
    "sweep": "optlab.jobs.sweep:execute",
}
"""kind -> "module:function"; imported by the worker only, because these need torch."""


def find(reference: str) -> Any:
    """The object that "module:attribute" names."""
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)


def executor(kind: str, table: Mapping[str, str] = TABLE) -> Executor:
    """The executor of a kind. Raises OptLabError when the table has none."""
    if kind not in table:
        raise OptLabError(
            "this worker cannot do runs of kind {kind!r}; it does {table}",
            kind=kind,
            table=", ".join(table),
        )
    return find(table[kind])
