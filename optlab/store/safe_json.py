"""JSON that a run can always be written as, and read back as it was.

Results come from numerical code: a perplexity may be infinite, a divergence not a number, a count a NumPy integer, a
text full of control characters. None of that may lose a finished run. Non-finite numbers are kept as they are (the
column is text, read by Python only), array scalars become plain numbers, and everything is ASCII, so that no database
stumbles over a NUL or half a surrogate pair.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from pathlib import PurePath
from typing import Any, Protocol, runtime_checkable

from optlab.errors import MeasurementError
from optlab.messages import Message, encoded

LARGEST = 32 << 20
"""Bytes of JSON that one run may store."""


@runtime_checkable
class Written(Protocol):
    """What writes itself as JSON: a spec or a result."""

    def to_json(self) -> str: ...


UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def dumps(value: Any) -> str:
    """`value` as ASCII JSON. Raises MeasurementError when it is larger than `LARGEST`, TypeError when it is no data."""
    text = value.to_json() if isinstance(value, Written) else json.dumps(value, default=_plain, separators=(",", ":"))
    if len(text) > LARGEST:
        raise MeasurementError(
            "the result takes {text_count} MB, more than the {largest} MB that a run may store",
            text_count=len(text) >> 20,
            largest=LARGEST >> 20,
        )
    return text


def loads(text: str) -> Any:
    """What `dumps` wrote, non-finite numbers included."""
    return json.loads(text)


def finite(value: Any) -> Any:
    """`value` with None for every number that JSON has no word for (infinite, or not a number)."""
    if isinstance(value, dict):
        return {name: finite(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def printable(text: str, longest: int) -> str:
    """`text` without control characters, cut to `longest` characters with an ellipsis."""
    clean = UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
    return clean if len(clean) <= longest else clean[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"


def sentence(text: str, longest: int) -> str:
    """What a column of text keeps of a sentence: a message with its values, or else what `printable` leaves."""
    kept = encoded(text)
    return kept if isinstance(text, Message) and len(kept) <= longest else printable(text, longest)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if hasattr(value, "tolist"):  # NumPy and torch, scalars and arrays, without importing either
        return value.tolist()
    raise TypeError(f"a run cannot store a {type(value).__name__}")
