"""The k smallest scores over any number of tensors, exactly, without putting them side by side in memory.

Non-negative float32 numbers sort like their bit patterns. So two histograms of 65536 bins (high halves, then the low
halves of the one bin in which the k-th lies) find the k-th smallest of a billion scores with no sorting; this is a
radix selection (Knuth, The Art of Computer Programming, volume 3, 5.2.5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

BINS = 1 << 16


def smallest(scores: Callable[[int], Tensor], count: int, k: int) -> Iterator[Tensor]:
    """Masks (bool, shapes as the scores) of the k smallest among `count` tensors of non-negative scores.

    scores: gives tensor i, float32 and finite; it is asked three times for each, so memory holds one at a time.
    Among equal scores the earlier positions are taken. Exactly k entries are true in all (all when k is larger).
    """
    if k <= 0:
        for i in range(count):
            yield torch.zeros_like(scores(i), dtype=torch.bool)
        return
    threshold, below = _kth([_Bits(scores, i) for i in range(count)], k)
    ties = k - below
    for i in range(count):
        pattern = _pattern(scores(i))
        mask = pattern < threshold
        if ties > 0:
            equal = (pattern == threshold).flatten().nonzero().squeeze(1)[:ties]
            ties -= equal.numel()
            mask.view(-1)[equal] = True
        yield mask


class _Bits:
    """Bit patterns of one tensor of scores, computed when they are looked at."""

    def __init__(self, scores: Callable[[int], Tensor], index: int) -> None:
        self.scores, self.index = scores, index

    def read(self) -> Tensor:
        return _pattern(self.scores(self.index)).flatten()


def _pattern(scores: Tensor) -> Tensor:
    return scores.float().contiguous().view(torch.int32)


def _kth(patterns: Sequence[_Bits], k: int) -> tuple[int, int]:
    """(bit pattern of the k-th smallest, how many are smaller than it)."""
    high = torch.zeros(BINS, dtype=torch.int64)
    for p in patterns:
        high += torch.bincount(p.read() >> 16, minlength=BINS).cpu()
    bin_, below = _bin_of(high, k)
    low = torch.zeros(BINS, dtype=torch.int64)
    for p in patterns:
        bits = p.read()
        low += torch.bincount(bits[bits >> 16 == bin_] & 0xFFFF, minlength=BINS).cpu()
    low_bin, low_below = _bin_of(low, k - below)
    return (bin_ << 16) | low_bin, below + low_below


def _bin_of(histogram: Tensor, k: int) -> tuple[int, int]:
    """(bin in which the k-th entry falls, entries in the bins before it); the last used bin when there are fewer."""
    total = histogram.cumsum(0)
    found = int(torch.searchsorted(total, min(k, int(total[-1]))))
    return found, int(total[found] - histogram[found])
