"""Which of very many points a chart draws, so that it stays quick and still looks as if it held them all.

What nothing else beats (the Pareto front) is always drawn. The rest is taken from a grid that gets finer: of every cell
that has no point yet, its first. So a point that stands alone is drawn, and a cloud of thousands is drawn as a cloud.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST = 300
"""Points of one chart. Drawing five thousand takes a browser a second and Python three."""
FINEST = 4096
"""Cells along an axis: more than a screen has pixels."""


def thinned(x: Sequence[float], y: Sequence[float], most: int = MOST) -> list[int]:
    """Places of the points to draw, in their order: all where they are no more than `most`, else `most` of them, or the
    whole front where that is more. Less is better on both axes; the first of equals is preferred."""
    import numpy as np

    if len(x) <= most:
        return list(range(len(x)))
    points = np.column_stack([np.asarray(x, dtype=float), np.asarray(y, dtype=float)])
    finite = np.flatnonzero(np.isfinite(points).all(axis=1))
    spots = points[finite]
    taken = np.zeros(len(spots), dtype=bool)
    taken[_front(spots)] = True
    spots = (spots - spots.min(axis=0, initial=np.inf)) / np.maximum(np.ptp(spots, axis=0), np.finfo(float).tiny)
    cells = 4
    while taken.sum() < min(most, len(spots)) and cells <= FINEST:
        row, column = (np.minimum(spots * cells, cells - 1)).astype(int).T
        cell = row * cells + column
        firsts = np.unique(cell, return_index=True)[1]
        new = np.sort(firsts[~np.isin(cell[firsts], cell[taken])])
        taken[new[: most - int(taken.sum())]] = True
        cells *= 2
    return [int(place) for place in finite[taken]]


def _front(points: NDArray) -> list[int]:
    """Places of those than which no other is both as small and as good."""
    import numpy as np

    found, best = [], np.inf
    for place in np.lexsort((np.arange(len(points)), points[:, 1], points[:, 0])):
        if points[place, 1] < best:
            best = points[place, 1]
            found.append(int(place))
    return found
