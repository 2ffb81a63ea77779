"""A finished measurement as one flat row, for tables, charts and CSV files.

Columns follow from the JSON contract of the command line, so that a new figure in a result becomes a column by itself:
`baseline_ppl`, `compressed_size_bytes`, `delta_ppl_ratio`, and for an interval `..._low` and `..._high`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optlab.errors import RecipeError
from optlab.i18n import said
from optlab.recipes import Recipe
from optlab.store.run import Run

SECTIONS = ("baseline", "compressed", "delta", "seconds")
PLAIN = ("text", "tokens", "context", "device", "dtype", "seed")


def row(run: Run) -> dict[str, Any]:
    """The row of a done `measure` run.

    Besides the figures of the result: run (id), model, recipe (in words), recipe_dict, title, finished, and the
    quotient that people sort by, `size_ratio` (compressed over baseline), None when one side was not measured.
    """
    result = run.result or {}
    cells: dict[str, Any] = {
        "run": run.id,
        "model": run.spec["model"],
        "recipe": in_words(run),
        "recipe_dict": run.spec["recipe"],
        "title": run.title,
        "finished": run.finished,
    }
    cells |= {name: result.get(name) for name in PLAIN}
    for section in SECTIONS:
        cells |= flatten(section, result.get(section) or {})
    cells["size_ratio"] = quotient(cells.get("compressed_size_bytes"), cells.get("baseline_size_bytes"))
    return cells


def in_words(run: Run) -> str:
    """The recipe in words, as the reader speaks; the run's title when this version no longer knows the method."""
    try:
        return said(Recipe.from_dict(run.spec["recipe"]).describe())
    except RecipeError:
        return said(run.title)


def flatten(prefix: str, section: Mapping[str, Any]) -> dict[str, Any]:
    """`section` as `prefix_name` -> number; a pair becomes `_low` and `_high`, a mapping is flattened in turn."""
    cells: dict[str, Any] = {}
    for name, value in section.items():
        full = f"{prefix}_{name}"
        if isinstance(value, Mapping):
            cells |= flatten(full, value)
        elif isinstance(value, (list, tuple)) and len(value) == 2:
            cells[f"{full}_low"], cells[f"{full}_high"] = value
        else:
            cells[full] = value
    return cells


def quotient(over: float | None, under: float | None) -> float | None:
    """over / under, or None when there is none."""
    return over / under if over is not None and under else None
