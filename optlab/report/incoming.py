"""A run that came from elsewhere, checked so far that no page can stumble over it.

The pages read results as the worker wrote them. What an archive claims to be a result must have the same shape, or it
is refused with the line that is wrong.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from optlab.errors import OptLabError
from optlab.protocol import Protocol
from optlab.store.run import Run, Status
from optlab.store.safe_json import printable

KEY = re.compile("[0-9a-f]{64}")
LONGEST_TITLE = 4_000
LONGEST_NAME = 4_096
LATEST = 2**40
"""Seconds since 1970 that a date may have; later ones break calendars."""
FIELDS = {"key", "kind", "title", "spec", "result", "created", "started", "finished", "attempts"}


def run(data: Any, where: str, kinds: Sequence[str]) -> Run:
    """The finished run that `data` describes. Raises OptLabError that begins with `where`."""
    try:
        return _run(data, kinds)
    except ValueError as error:
        raise OptLabError("{where}: {error}", where=where, error=error) from None


def _run(data: Any, kinds: Sequence[str]) -> Run:
    if not isinstance(data, dict) or set(data) != FIELDS:
        raise ValueError(f"a run has the fields {', '.join(sorted(FIELDS))}")
    if not isinstance(data["key"], str) or not KEY.fullmatch(data["key"]):
        raise ValueError("its key is not 64 hex digits")
    if data["kind"] not in kinds:
        raise ValueError(f"its kind is {data['kind']!r}; an archive holds {', '.join(kinds)}")
    spec, result = _mapping(data["spec"], "spec"), _mapping(data["result"], "result")
    if not isinstance(spec.get("model"), str) or not 0 < len(spec["model"]) <= LONGEST_NAME:
        raise ValueError("its spec names no model")
    _recipe(spec.get("recipe"), required=data["kind"] == "measure")
    _protocol(spec.get("protocol"))
    if data["kind"] == "measure":
        _measured(result)
    if result.get("artefact") is not None:
        raise ValueError("it names a folder of weights, which an archive cannot bring")
    attempts = data["attempts"]
    return Run(
        id=0, key=data["key"], kind=data["kind"], status=Status.DONE, spec=spec, result=result, progress=1.0,
        title=printable(str(data["title"]), LONGEST_TITLE), created=_when(data["created"]) or 0.0,
        started=_when(data["started"]), finished=_when(data["finished"]),
        attempts=attempts if isinstance(attempts, int) and 0 < attempts < 2**31 else 1,
    )  # fmt: skip


def _recipe(recipe: Any, required: bool) -> None:
    """A list of steps; whether this version knows their methods is not asked, because pages say so themselves."""
    if recipe is None and not required:
        return
    steps = _mapping(recipe, "recipe").get("steps")
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise ValueError("its recipe has no list of steps")


def _protocol(settings: Any) -> None:
    if settings is None:
        return
    try:
        Protocol.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"its setting {'.'.join(map(str, first['loc']))}: {first['msg'].lower()}") from None


def _measured(result: Mapping[str, Any]) -> None:
    """The parts of a measurement that pages read, in the shape of the command line's contract."""
    for name in ("baseline", "compressed", "delta", "seconds"):
        _figures(_mapping(result.get(name), name), name)
    for name in ("ppl", "size_bytes"):
        for side in ("baseline", "compressed"):
            if _number(result[side].get(name)) is None:
                raise ValueError(f"its {side} has no {name}")
    for name in ("text", "dtype", "device"):
        if not isinstance(result.get(name), str):
            raise ValueError(f"its {name} is not a word")
    for name in ("tokens", "context", "windows"):
        if not isinstance(result.get(name), int) or isinstance(result[name], bool):
            raise ValueError(f"its {name} is not a whole number")
    if not isinstance(result.get("layers"), list):
        raise ValueError("its layers are not a list")
    for layer in result["layers"]:
        if not isinstance(_mapping(layer, "layer").get("name"), str):
            raise ValueError("one of its layers has no name")
        _figures({name: value for name, value in layer.items() if not isinstance(value, str)}, "layer")
    for name, side in _mapping(result.get("latency") or {}, "latency").items():
        if side is not None:
            _mapping(side, f"latency of {name}")
    for name in ("environment", "versions", "details"):
        _mapping(result.get(name) or {}, name)


def _figures(section: Mapping[str, Any], name: str) -> None:
    """Numbers, pairs of numbers, or nothing."""
    for key, value in section.items():
        pair = isinstance(value, list) and all(_number(one) is not None for one in value)
        if not (value is None or pair or isinstance(value, bool) or _number(value) is not None):
            raise ValueError(f"{name} {str(key)[:80]} is not a number")


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _when(value: Any) -> float | None:
    if value is None:
        return None
    number = _number(value)
    if number is None or not math.isfinite(number) or not 0 <= number < LATEST:
        raise ValueError(f"{value!r} is no date")
    return float(number)


def _mapping(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"its {name} is not a mapping")
    return value
