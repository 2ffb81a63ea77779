"""How a kernel's work is cut into programs: chosen by timing a few ways on the card that will run it.

Which is fastest depends on the card, the shape and the width of codes, by a factor of two. Timed once for each shape
and kept while the process lives; a processor, which runs kernels through the interpreter, takes few large pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from statistics import median

import torch

FLUSHED = 256 << 20
"""Bytes written between two timings, more than any card's cache: a weight is read from memory, as while decoding."""
TIMES = 7


@dataclass(frozen=True)
class Cut:
    """rows: of the weight, for each program; inputs: columns that it multiplies in one step; warps: of a program;
    stages: steps that are read ahead; tensor: on tensor cores (`tensor_cores`)."""

    rows: int
    inputs: int
    warps: int
    stages: int = 3
    tensor: bool = False


DENSE = (Cut(4, 512, 2), Cut(2, 1024, 4), Cut(4, 1024, 4), Cut(8, 512, 2), Cut(8, 1024, 4), Cut(2, 512, 2))
PACKED = (
    Cut(4, 1024, 1), Cut(2, 1024, 1), Cut(8, 1024, 1), Cut(4, 2048, 2), Cut(8, 2048, 2), Cut(2, 4096, 4),
    Cut(4, 4096, 4),
)  # fmt: skip
TENSOR = (
    Cut(16, 512, 4, 1, True), Cut(16, 1024, 8, 1, True), Cut(32, 512, 4, 1, True), Cut(32, 1024, 8, 1, True),
    Cut(32, 1024, 8, 3, True), Cut(64, 512, 4, 1, True),
)  # fmt: skip
INTERPRETED = Cut(128, 1024, 1)
"""On a processor, where a program costs more than its work."""

_chosen: dict[Hashable, Cut] = {}


def fastest(key: Hashable, cuts: tuple[Cut, ...], device: torch.device, launch: Callable[[Cut], object]) -> Cut:
    """The cut of `cuts` with which `launch` takes the least time. key: everything that the answer depends on."""
    if len(cuts) == 1:
        return cuts[0]
    if key not in _chosen:
        scratch = torch.empty(FLUSHED, dtype=torch.uint8, device=device)
        _chosen[key] = min(cuts, key=lambda cut: milliseconds(cut, launch, scratch))
    return _chosen[key]


def milliseconds(cut: Cut, launch: Callable[[Cut], object], scratch: torch.Tensor) -> float:
    """Median of `TIMES` launches, on a card. scratch: `FLUSHED` bytes there, written before each."""
    launch(cut)  # compiles
    found = []
    for _ in range(TIMES):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        scratch.zero_()
        begin.record()
        launch(cut)
        end.record()
        found.append((begin, end))
    torch.cuda.synchronize(scratch.device)
    return median(begin.elapsed_time(end) for begin, end in found)
