"""Regular expressions that name layers, matched in linear time.

Recipes come from links, archives and files of strangers. Python's `re` tries alternatives one after the other and can
need time exponential in the name's length, holding the interpreter all the while: `(([a-z.0-9_]+)+)+!` on one layer
name stops a server. RE2 walks an automaton instead (Cox, "Regular Expression Matching Can Be Simple And Fast", 2007):
its time grows with the length of the name, its memory is bounded, and it has no look-around and no back references.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import re2

from optlab.errors import RecipeError

LONGEST_PATTERN = 100_000
"""Characters; a searched recipe of a large model lists thousands of layers by name."""
MEMORY_BYTES = 8 << 20
"""What one expression and its automaton may take."""


class Pattern(Protocol):
    """A compiled expression."""

    def match(self, text: str) -> object | None:
        """Something true if the expression matches `text` from its start."""


@lru_cache(maxsize=4096)
def layer_pattern(expression: str) -> Pattern:
    """`expression`, compiled. Raises RecipeError where it is no expression, or one that RE2 cannot run."""
    if len(expression) > LONGEST_PATTERN:
        raise RecipeError(
            "layers has {length} characters; an expression has at most {longest}",
            length=len(expression), longest=LONGEST_PATTERN,
        )  # fmt: skip
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MEMORY_BYTES
    try:
        compiled: Pattern = re2.compile(expression, options)
    except (re2.error, ValueError) as error:
        raise RecipeError(
            "layers {layers!r} is not a regular expression that can be matched in linear time: {error}",
            layers=expression, error=_reason(error),
        ) from None  # fmt: skip
    return compiled


def _reason(error: Exception) -> str:
    first = error.args[0] if error.args else error
    said = first.decode("utf-8", errors="replace") if isinstance(first, bytes) else str(first)
    return said[:100]  # it repeats the expression
