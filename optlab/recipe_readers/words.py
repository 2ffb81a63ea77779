"""What readers of other tools' recipes share: taking a value of the kind that is meant, and names of layers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from optlab.errors import RecipeError
from optlab.files import JsonObject


def mapping(found: Any, what: str) -> Mapping[str, Any]:
    """`found`, which must be a mapping. Raises RecipeError."""
    if not isinstance(found, Mapping) or not all(isinstance(key, str) for key in found):
        raise RecipeError("{what} is a mapping, not {found!r:.80}", what=what, found=found)
    return found


def strings(found: Any, what: str) -> list[str]:
    """A word, or a list of words, as a list. Raises RecipeError."""
    listed = [found] if isinstance(found, str) else found
    if not isinstance(listed, Sequence) or not all(isinstance(one, str) for one in listed):
        raise RecipeError("{what} is a list of words, not {found!r:.80}", what=what, found=found)
    return list(listed)


def whether(found: Any, what: str) -> bool:
    """`found`, which must be true or false: a word such as "false" would count as true. Raises RecipeError."""
    if not isinstance(found, bool):
        raise RecipeError("{what} is true or false, not {found!r:.80}", what=what, found=found)
    return found


def refuse_others(settings: Mapping[str, Any], usual: JsonObject) -> None:
    """Refuse a setting that asks for something else than what is done here. usual: that, by the setting's name; one
    that is not said, or null, is no other. Raises RecipeError."""
    for name, here in usual.items():
        found = settings.get(name)
        if found is not None and found != here:
            raise RecipeError("{name}: {found!r:.80} has no counterpart here", name=name, found=found)


def step(kind: str, values: JsonObject, layers: str | None = None) -> JsonObject:
    """A step of ours; what is None is left to its default, but for a group size, where it means a whole row."""
    kept = {key: value for key, value in values.items() if value is not None or key == "group_size"}
    return {kind: kept} | ({} if layers is None else {"layers": layers})


def one_of(expressions: Sequence[str]) -> str:
    """An expression for what any of `expressions` matches."""
    return expressions[0] if len(expressions) == 1 else f"(?:{'|'.join(expressions)})"


def all_but(expressions: Sequence[str]) -> str:
    """What no expression of `expressions` matches, in the syntax of Python and PCRE, which look ahead."""
    return "^" + "".join(f"(?!{one})" for one in expressions)


def exactly(name: str) -> str:
    """An expression for the layer `name` alone."""
    return f"{re.escape(name)}$"
