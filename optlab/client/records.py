"""A finished measurement as one flat row, for tables, charts and CSV files.

Columns follow from the JSON contract of the command line, so that a new figure in a result becomes a column by itself:
`baseline_ppl`, `compressed_size_bytes`, `delta_ppl_ratio`, and for an interval `..._low` and `..._high`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from optlab.jobs.measured import MeasuredRun, in_words

Cell = str | float | None
Row = dict[str, Cell]

SECTIONS = ("baseline", "compressed", "delta", "seconds")
PLAIN = ("text", "tokens", "context", "device", "dtype", "seed")


def row(one: MeasuredRun) -> Row:
    """The row of a finished measurement.

    Besides the figures of the result: run (id), model, recipe (in words, as the reader speaks), title, finished, and
    the quotient that people sort by, `size_ratio` (compressed over baseline), None where the original has no size.
    """
    cells: Row = {
        "run": one.id,
        "model": one.spec.model,
        "recipe": in_words(one),
        "title": one.run.title,
        "finished": one.run.finished,
        "name": one.run.label.name,
        "note": one.run.label.note,
        "starred": one.run.label.starred,
    }
    cells |= {name: getattr(one.headline, name) for name in PLAIN}
    for section in SECTIONS:
        cells |= flatten(section, getattr(one.headline, section).to_dict())
    cells["size_ratio"] = one.headline.size_ratio
    return cells


def rows(found: Iterable[MeasuredRun]) -> list[Row]:
    """A row for each."""
    return [row(one) for one in found]


def flatten(prefix: str, section: Mapping[str, object]) -> Row:
    """`section` as `prefix_name` -> number; a pair becomes `_low` and `_high`."""
    cells: Row = {}
    for name, value in section.items():
        full = f"{prefix}_{name}"
        if isinstance(value, list | tuple):
            cells[f"{full}_low"], cells[f"{full}_high"] = value
        elif value is None or isinstance(value, str | int | float):
            cells[full] = value
    return cells
