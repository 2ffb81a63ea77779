"""A look inside one layer: its weights before and after, the grid they were put on, and where the error is."""

from __future__ import annotations

from optlab.results.document import Document, Part
from optlab.results.fields import Count, Name, Number
from optlab.results.specs import RecipeSpec


class LayerInspectionSpec(RecipeSpec):
    """layer: name of a weight matrix."""

    layer: Name


class Histogram(Part):
    """before, after: weights between neighbouring `edges`."""

    edges: tuple[Number, ...]
    before: tuple[Count, ...]
    after: tuple[Count, ...]


class Group(Part):
    """One group of weights of a row that begins at column `begin`. levels: values that could be stored there; empty
    where there are too many."""

    row: Count
    begin: Count
    before: tuple[Number, ...]
    after: tuple[Number, ...]
    levels: tuple[Number, ...]


class ErrorMap(Part):
    """error: root mean square change of a cell's weights over that of all weights."""

    error: tuple[tuple[Number, ...], ...]
    rows_per_cell: Count
    columns_per_cell: Count


class LayerInspection(Document):
    """error: root mean square of the change relative to that of the weights. largest: the largest change. sparsity:
    share of zeros. distinct: different values in the first rows."""

    histogram: Histogram
    group: Group
    map: ErrorMap
    error: Number
    largest: Number
    sparsity: Number
    distinct: Count
