"""YAML that a stranger may have written: read within limits on size, depth and number of values, and without aliases.

An alias lets 800 bytes stand for gigabytes, deep brackets exhaust the stack, and both happen before a recipe is looked
at. The stream of events is therefore counted first; what passes is built by a safe loader of PyYAML.
"""

from __future__ import annotations

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
    depth = values = 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise RecipeError("the recipe repeats a part by an alias (*{name}); write it out", name=event.anchor)
        if isinstance(event, (yaml.CollectionEndEvent)):
            depth -= 1
        elif isinstance(event, yaml.NodeEvent):
            values += 1
            depth += isinstance(event, yaml.CollectionStartEvent)
        if depth > DEEPEST:
            raise RecipeError("the recipe is nested more than {deepest} levels deep", deepest=DEEPEST)
        if values > MOST_VALUES:
            raise RecipeError("the recipe holds more than {most} values", most=MOST_VALUES)


def _why(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem and error.problem_mark is not None:
        return say("{problem}, line {line}", problem=error.problem, line=error.problem_mark.line + 1)
    if "set_int_max_str_digits" in str(error):
        return say("a number has too many digits")
    return next(iter(str(error).splitlines()), type(error).__name__)
