"""YAML that a stranger may have written: read within limits on size, depth and number of values, without aliases, and
without a key that stands twice in one place.

An alias lets 800 bytes stand for gigabytes, deep brackets exhaust the stack, and both happen before a recipe is looked
at; of two equal keys a loader silently takes the last. The stream of events is therefore looked at first; what passes
is built by a safe loader of PyYAML.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import yaml

from optlab.errors import RecipeError
from optlab.messages import say

LARGEST = 1 << 20
"""Characters of one document."""
DEEPEST = 16
"""Collections within collections; a recipe needs five."""
MOST_VALUES = 100_000
"""Scalars and collections; a recipe of 4096 steps holds up to 80,000."""
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's is ten times as fast."""


def read_yaml(text: str) -> Any:
    """What `text` holds, as Python's dictionaries, lists and scalars. Raises RecipeError with one short sentence."""
    if len(text) > LARGEST:
        raise RecipeError("the recipe is larger than 1 MB, which no recipe is")
    try:
        _check(text)
        return yaml.load(text, Loader=LOADER)
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError, AttributeError, KeyError) as error:
        if isinstance(error, RecipeError):
            raise
        raise RecipeError("the recipe is not valid YAML: {error}", error=_why(error)) from None


def _check(text: str) -> None:
    values, open_ones = 0, list[_Collection]()
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise RecipeError("the recipe repeats a part by an alias (*{name}); write it out", name=event.anchor)
        if isinstance(event, yaml.CollectionEndEvent):
            open_ones.pop()
        elif isinstance(event, yaml.NodeEvent):
            values += 1
            if open_ones:
                open_ones[-1].take(event)
            if isinstance(event, yaml.CollectionStartEvent):
                open_ones.append(_Collection(set() if isinstance(event, yaml.MappingStartEvent) else None))
        if len(open_ones) > DEEPEST:
            raise RecipeError("the recipe is nested more than {deepest} levels deep", deepest=DEEPEST)
        if values > MOST_VALUES:
            raise RecipeError("the recipe holds more than {most} values", most=MOST_VALUES)


@dataclass
class _Collection:
    """A mapping or a list that is being read. keys: of a mapping, as they are written; None of a list. at_key: whether
    a key comes next."""

    keys: set[str] | None
    at_key: bool = True

    def take(self, event: yaml.NodeEvent) -> None:
        """The next key, value or item. Raises RecipeError."""
        if self.keys is None:
            return
        if self.at_key and isinstance(event, yaml.ScalarEvent):
            if event.value in self.keys:
                raise RecipeError(
                    "the recipe says {key!r} twice in one place, the second time in line {line}; keep one",
                    key=event.value, line=event.start_mark.line + 1,
                )  # fmt: skip
            self.keys.add(event.value)
        self.at_key = not self.at_key


def read_json(text: str) -> Any:
    """The same of JSON, without the limits on depth and number. Raises ValueError, RecursionError, RecipeError."""
    return json.loads(text, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise RecipeError("the recipe says {key!r} twice in one place; keep one", key=max(names, key=names.count))
    return found


def _why(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem and error.problem_mark is not None:
        return say("{problem}, line {line}", problem=error.problem, line=error.problem_mark.line + 1)
    if "set_int_max_str_digits" in str(error):
        return say("a number has too many digits")
    return next(iter(str(error).splitlines()), type(error).__name__)
