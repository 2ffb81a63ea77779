"""A run that came from elsewhere: what it claims to be is read as its type, or refused with the line that is wrong."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from optlab.errors import OptLabError
from optlab.jobs.kind import JobKind
from optlab.jobs.registry import KINDS
from optlab.results.document import UnreadableError
from optlab.store.run import Label, Run, Status
from optlab.store.safe_json import printable

KEY = re.compile("[0-9a-f]{64}")
LONGEST_TITLE = 4_000
LATEST = 2**40
"""Seconds since 1970 that a date may have; later ones break calendars."""
FIELDS = {"key", "kind", "title", "spec", "result", "created", "started", "finished", "attempts"}
WRITTEN = {"name": str, "note": str, "starred": bool}
"""What people wrote on a run; a field is there only where something was."""


def run(data: Any, where: str) -> Run:
    """The finished run that `data` describes. Raises OptLabError that begins with `where`."""
    try:
        return _run(data)
    except (ValueError, UnreadableError) as error:
        raise OptLabError("{where}: {error}", where=where, error=error) from None


def written_on(label: Label) -> dict[str, str | bool]:
    """The fields of an archive's run that hold its label."""
    return {name: value for name, value in asdict(label).items() if value}


def dated(run: Run) -> bool:
    """Whether its dates are such as an archive may bring."""
    return all(when is None or 0 <= when < LATEST for when in (run.created, run.started, run.finished))


def _run(data: Any) -> Run:
    if not isinstance(data, dict) or set(data) - WRITTEN.keys() != FIELDS:
        raise ValueError(f"a run has the fields {', '.join(sorted(FIELDS))}")
    if not isinstance(data["key"], str) or not KEY.fullmatch(data["key"]):
        raise ValueError("its key is not 64 hex digits")
    kind = _kind(data["kind"])
    spec, result = kind.spec.from_dict(data["spec"]), kind.result.from_dict(data["result"])
    if getattr(result, "artefact", None) is not None:
        raise ValueError("it names a folder of weights, which an archive cannot bring")
    attempts = data["attempts"]
    return Run(
        id=0, key=data["key"], kind=kind.name, status=Status.DONE, title=printable(str(data["title"]), LONGEST_TITLE),
        spec_json=spec.to_json(), result_json=result.to_json(), progress=1.0, created=_when(data["created"]) or 0.0,
        started=_when(data["started"]), finished=_when(data["finished"]),
        attempts=attempts if isinstance(attempts, int) and 0 < attempts < 2**31 else 1, label=_label(data),
    )  # fmt: skip


def _kind(name: Any) -> JobKind[Any, Any, Any]:
    """The kind that has, or had, this name."""
    portable = [kind for kind in KINDS.values() if kind.portable]
    found = next((kind for kind in portable if name in (kind.name, *kind.formerly)), None)
    if found is None:
        listed = ", ".join(kind.name for kind in portable)
        raise ValueError(f"its kind is {str(name)[:80]!r}; an archive holds {listed}")
    return found


def _label(data: dict[str, Any]) -> Label:
    """How long it may be, the store decides."""
    found = {name: data[name] for name in WRITTEN if name in data}
    if wrong := [name for name, value in found.items() if not isinstance(value, WRITTEN[name])]:
        raise ValueError(f"its {wrong[0]} is no {WRITTEN[wrong[0]].__name__}")
    return Label(**found)


def _when(value: Any) -> float | None:
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value < LATEST:
        raise ValueError(f"{str(value)[:80]!r} is no date")
    return float(value)
