"""From the scores of a weight to the zeros that a pattern allows: the lowest scores go.

Whatever is compared (a whole layer, one row, M neighbours), the number of zeros is exact, and among equal scores the
earlier position goes.
"""

from __future__ import annotations

from torch import Tensor

from optlab.prune.pattern import FINE
from optlab.prune.selection import smallest


def lowest(scores: Tensor, share: float, by_row: bool) -> Tensor:
    """True at the lowest `share` of scores [out, in] (non-negative, finite), of the layer or of every row."""
    if by_row:
        return _lowest_of_last(scores, round(share * scores.shape[1]))
    (mask,) = smallest(lambda _: scores, 1, round(share * scores.numel()))
    return mask


def lowest_of_neighbours(scores: Tensor, pattern: str) -> Tensor:
    """True at the M - N lowest of every M neighbouring scores in a row of [out, in]; M divides in."""
    kept, of = FINE[pattern]
    return _lowest_of_last(scores.reshape(-1, of), of - kept).view(scores.shape)


def _lowest_of_last(scores: Tensor, count: int) -> Tensor:
    """True at the `count` lowest along the last dimension."""
    order = scores.argsort(dim=-1, stable=True)[..., :count]
    return scores.new_zeros(scores.shape, dtype=bool).scatter_(-1, order, True)  # type: ignore[call-overload,no-any-return]
