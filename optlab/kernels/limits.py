"""What this machine can do at most: bytes that it reads from memory, and operations that it computes, per second.

Decoding reads every weight for each token, so the first is its limit; a prompt, or many texts at once, multiplies each
weight by many inputs, and the second is. Both are measured, because no data sheet knows what a shared machine gives.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from optlab.kernels.native.huge_pages import block
from optlab.kernels.native.library import library

BYTES = 256 << 20
"""Much more than any cache holds."""
CARD_BYTES = 4 << 30
"""The same for a graphics card: so many that launching once is nothing beside it."""
SIDE = 1024
"""Of the matrices that are multiplied: large enough to be bound by arithmetic, small enough for a tenth of a second."""
ROUNDS = 7


def card_bandwidth(device: torch.device) -> float:
    """Bytes per second that a graphics card reads from its memory: a sum over more than its cache holds, the best of a
    few rounds."""
    memory = torch.ones(CARD_BYTES // 4, device=device)

    def read() -> None:
        memory.sum()
        torch.cuda.synchronize(device)

    return CARD_BYTES / _best(read)


def read_bandwidth() -> float | None:
    """Bytes per second that torch's number of threads read together, the best of a few rounds; None without the C++
    library. Takes about 0.2 s.

    From large pages, in which weights lie too. Beside other virtual machines it may be half of that a minute later, so
    it is measured at the time of what it is compared with.
    """
    found, _ = library()
    if found is None:
        return None
    memory = block(BYTES).fill_(1)
    return BYTES / _best(lambda: found.optlab_read(memory.data_ptr(), BYTES, torch.get_num_threads()))


def multiplication_speed(dtype: str = "bfloat16") -> float:
    """Operations per second (a multiplication and an addition are two) of a large product of matrices in torch."""
    a, b = (torch.ones(SIDE, SIDE, dtype=getattr(torch, dtype)) for _ in range(2))
    return 2 * SIDE**3 / _best(lambda: torch.mm(a, b))


def _best(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best
