"""Bytes and JSON with something wrong in one or two places: for the corpus by hand, for hypothesis by chance."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

from hypothesis import strategies as st

Place = tuple[str | int, ...]

VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2**31, 2**63, -(2**63), 10**9, 10**400, 0.5, -0.0, 1e308, math.inf, -math.inf,
    math.nan, "", "\ud800", "\x00", "a" * 100_000, "../../etc/passwd", "{{ 7 * 7 }}", "1e400", [], [[]], [1],
    [1] * 70_000, {}, {"a": {}}, {"__float__": "inf"}, {"__float__": []}, {"content": 3}, ["a", None], [None] * 3,
]  # fmt: skip
"""What stands where something else belongs."""


def share(turn: int, of: int) -> list[tuple[int, Any]]:
    """One of `of` shares of `VALUES`, with their numbers: neighbouring turns get other ones, so that all are tried."""
    return list(enumerate(VALUES))[turn % of :: of]


def places(data: Any, here: Place = ()) -> list[Place]:
    """Everything in `data` that has a place of its own."""
    inside: list[tuple[str | int, Any]] = []
    if isinstance(data, dict):
        inside = list(data.items())
    elif isinstance(data, list):
        inside = list(enumerate(data))
    return [here, *(place for name, value in inside for place in places(value, (*here, name)))]


def put(data: Any, place: Place, value: Any) -> Any:
    """A copy of `data` with another value there; unchanged where that place is gone."""
    if not place:
        return value
    changed = copy.deepcopy(data)
    at = changed
    try:
        for name in place[:-1]:
            at = at[name]
        at[place[-1]] = value
    except (KeyError, IndexError, TypeError):
        return data
    return changed


def without(data: Any, place: Place) -> Any:
    """A copy of `data` in which that place is gone."""
    changed = copy.deepcopy(data)
    at = changed
    for name in place[:-1]:
        at = at[name]
    del at[place[-1]]
    return changed


def as_bytes(data: Any) -> bytes:
    """JSON as Python writes it: also NaN, infinity and half a surrogate pair, which are in no standard."""
    return json.dumps(data).encode()


def of_json(seed: Any) -> st.SearchStrategy[bytes]:
    """`seed` with other values in one or two places."""
    change = st.tuples(st.sampled_from(places(seed)), st.sampled_from(VALUES))

    def changed(changes: list[tuple[Place, Any]]) -> bytes:
        found = seed
        for place, value in changes:
            found = put(found, place, value)
        return as_bytes(found)

    return st.lists(change, min_size=1, max_size=2).map(changed)


def of_bytes(seed: bytes, within: int | None = None) -> st.SearchStrategy[bytes]:
    """`seed` with pieces of its first `within` bytes flipped, cut out, repeated, or replaced by extreme numbers."""
    length = min(within or len(seed), len(seed))
    numbers = st.sampled_from(
        [b"\0" * 8, b"\xff" * 8, b"\xff" * 4, b"\0\0\0\0\0\0\0\x80", b"\xff\xff\xff\x7f", b"\x01"]
    )
    change = st.tuples(
        st.sampled_from(["flip", "cut", "repeat", "number", "end"]),
        st.integers(0, length - 1),
        st.integers(1, 64),
        numbers,
    )

    def changed(changes: list[tuple[str, int, int, bytes]]) -> bytes:
        found = bytearray(seed)
        for kind, at, count, number in changes:
            if kind == "flip" and at < len(found):
                found[at] ^= 1 << count % 8
            elif kind == "cut":
                del found[at : at + count]
            elif kind == "repeat":
                found[at:at] = found[at : at + count]
            elif kind == "number":
                found[at : at + len(number)] = number
            else:
                del found[at:]
        return bytes(found)

    return st.lists(change, min_size=1, max_size=3).map(changed)
