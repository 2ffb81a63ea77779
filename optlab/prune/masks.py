"""From the scores of a weight to the zeros that a pattern allows: the lowest scores go.

Whatever is compared (a whole layer, one row, M neighbours), the number of zeros is exact, and among equal scores the
earlier position goes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from optlab.prune.pattern import FINE
from optlab.prune.selection import smallest


def lowest(scores: Tensor, count: int) -> Tensor:
    """True at the `count` lowest of scores [out, in] (non-negative, finite)."""
    (mask,) = smallest(lambda _: scores, 1, count)
    return mask


def lowest_of_rows(scores: Tensor, count: int) -> Tensor:
    """True at the `count` lowest of every row of scores [out, in]."""
    return _lowest_of_last(scores, count)


def lowest_of_neighbours(scores: Tensor, pattern: str) -> Tensor:
    """True at the M - N lowest of every M neighbouring scores in a row of [out, in]; M divides in."""
    kept, of = FINE[pattern]
    return _lowest_of_last(scores.reshape(-1, of), of - kept).view(scores.shape)


def _lowest_of_last(scores: Tensor, count: int) -> Tensor:
    """True at the `count` lowest along the last dimension."""
    order = scores.argsort(dim=-1, stable=True)[..., :count]
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(-1, order, True)
