"""How fast this machine reads its memory: the speed limit of decoding, in which every weight is read once per token."""

from __future__ import annotations

import time

import torch

from optlab.kernels.native.library import library

BYTES = 256 << 20
"""Much more than any cache holds."""
ROUNDS = 7


def read_bandwidth() -> float | None:
    """Bytes per second that torch's number of threads read together, the best of a few rounds; None without the C++
    library. Takes about 0.2 s."""
    found, _ = library()
    if found is None:
        return None
    memory = torch.ones(BYTES, dtype=torch.uint8)
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        found.optlab_read(memory.data_ptr(), BYTES, torch.get_num_threads())
        best = min(best, time.perf_counter() - began)
    return BYTES / best
