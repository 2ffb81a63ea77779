"""Memory for weights in large pages, where the system has them.

Every token walks through all weights, and with pages of 4 kB a processor spends a quarter of that time looking up
where the next one lies: the same loop reads 28 GB/s from small pages and 36 from large ones here, and how the small
ones happen to lie makes one process a tenth faster than the next. Linux gives large pages (2 MB) to those who ask;
elsewhere this is ordinary memory.
"""

from __future__ import annotations

import mmap
from contextlib import suppress
from math import prod

import torch
from torch import Tensor

PAGE = 2 << 20
BLOCK = 16 * PAGE
LINE = 64
"""Bytes of a cache line: where every tensor begins."""


class Pages:
    """Hands out places for tensors, one behind the other; a place lives as long as a tensor that lies in it."""

    def __init__(self) -> None:
        self._block = torch.empty(0, dtype=torch.uint8)
        self._used = 0

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """An uninitialized tensor."""
        size = prod(shape) * dtype.itemsize
        if self._used + size > self._block.numel():
            self._block, self._used = block(max(size, BLOCK)), 0
        found = self._block[self._used : self._used + size].view(dtype).view(shape)
        self._used = -(-(self._used + size) // LINE) * LINE
        return found

    def place(self, tensor: Tensor) -> Tensor:
        """The same numbers, here."""
        return self.empty(tuple(tensor.shape), tensor.dtype).copy_(tensor)


def block(size: int) -> Tensor:
    """At least `size` bytes from the beginning of a large page on."""
    size = -(-size // PAGE) * PAGE
    if not hasattr(mmap, "MAP_ANONYMOUS"):  # Windows
        return torch.empty(size, dtype=torch.uint8)
    memory = mmap.mmap(-1, size + PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a kernel built without them
            memory.madvise(mmap.MADV_HUGEPAGE)
    whole = torch.frombuffer(memory, dtype=torch.uint8)
    start = -whole.data_ptr() % PAGE
    return whole[start : start + size]
