"""Which zeros are allowed: anywhere, N of every M kept (the form that some hardware multiplies faster), or whole units.

The first two leave a matrix its shape; `masks` chooses them from scores. Whole units, attention heads, neurons or
blocks, leave smaller matrices that any program runs faster; `optlab.prune.structured` removes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optlab.errors import RecipeError
from optlab.formats.sparse.sizes import FINE
from optlab.messages import say

UNSTRUCTURED = "unstructured"
UNITS = ("heads", "neurons", "layers")
PATTERNS = (UNSTRUCTURED, *FINE, *UNITS)


def check_share(values: Mapping[str, Any]) -> None:
    """Raises RecipeError when the pattern of `values` fixes another sparsity than they ask for."""
    pattern = values["pattern"]
    if pattern in FINE:
        kept, of = FINE[pattern]
        share = 1 - kept / of
        if values["sparsity"] != share:
            raise RecipeError(
                "pattern {pattern} keeps {kept} of every {of} weights; use sparsity {share:g}, or pattern unstructured",
                pattern=pattern,
                kept=kept,
                of=of,
                share=share,
            )


def check_width(pattern: Any, name: str, columns: int) -> None:
    """Raises RecipeError when rows of `columns` weights cannot be cut into the groups of an N:M pattern."""
    if pattern in FINE and columns % FINE[pattern][1]:
        raise RecipeError(
            "pattern {pattern} needs rows that {fine} divides; {name} has {columns} columns, so leave it out "
            "with a layers expression, or use pattern unstructured",
            pattern=pattern,
            fine=FINE[pattern][1],
            name=name,
            columns=columns,
        )


def in_words(values: Mapping[str, Any]) -> str:
    """Share and pattern for a table: '50%', '2:4', '25% of neurons'."""
    pattern = values["pattern"]
    if pattern in FINE:
        return str(pattern)
    share = f"{float(values['sparsity'] or 0.0):.0%}"
    units = {
        "heads": say("{share} of heads", share=share),
        "neurons": say("{share} of neurons", share=share),
        "layers": say("{share} of layers", share=share),
    }
    return units.get(pattern, share)
