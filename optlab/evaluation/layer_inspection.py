"""A look inside one layer: its weights before and after, the grid they were put on, and where the error is.

Everything is counted from the weights themselves. What a page draws is small: a histogram, one group of weights with
its levels, and a map of the error that is averaged down to a size an eye can take in.
"""

from __future__ import annotations

import torch
from torch import Tensor

from optlab.context import Stored
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.results.layer_inspection import ErrorMap, Group, Histogram, LayerInspection

BINS = 121
TAIL = 1e-4
"""Share of the weights that the histogram may leave out on either side, so that one outlier does not flatten it."""
CELLS = 48
"""Most rows and columns of the map of the error."""
CLOSE = 64
"""Most weights of the group that is shown one by one."""


def inspect_layer(before: Tensor, after: Tensor, stored: Stored | None) -> LayerInspection:
    """before, after: float32 [out, in] of one layer, equal shapes; stored: how `after` is written, None = dense."""
    change = after - before
    rms = float(before.square().mean().sqrt())
    return LayerInspection(
        histogram=_histogram(before, after),
        group=_close_up(before, after, stored),
        map=_map(change, rms),
        error=float(change.square().mean().sqrt()) / rms if rms else 0.0,
        largest=float(change.abs().max()),
        sparsity=1.0 - int(torch.count_nonzero(after)) / after.numel(),
        distinct=int(torch.unique(after[: max(1, 65_536 // after.shape[1])]).numel()),
    )


def _histogram(before: Tensor, after: Tensor) -> Histogram:
    # A quantile of everything would sort millions of numbers; every k-th weight tells the range as well.
    some = before.flatten()[:: max(1, before.numel() // 200_000)]
    low, high = float(torch.quantile(some, TAIL)), float(torch.quantile(some, 1 - TAIL))
    reach = max(abs(low), abs(high)) or 1.0
    edges = torch.linspace(-reach, reach, BINS + 1)
    counts = [torch.histc(W.float().cpu(), BINS, -reach, reach).to(torch.int64).tolist() for W in (before, after)]
    return Histogram(edges=edges.tolist(), before=counts[0], after=counts[1])


def _close_up(before: Tensor, after: Tensor, stored: Stored | None) -> Group:
    """The group whose error is the median of all groups: neither the best nor the worst that can be shown."""
    size = before.shape[1]
    if stored is not None and not isinstance(stored, QuantizedTensor):
        size = min(size, CLOSE)
    elif isinstance(stored, QuantizedTensor):
        size = stored.shape[1] // stored.scale.shape[1]
    if before.shape[1] % size:
        size = before.shape[1]
    errors = (after - before).unflatten(1, (-1, size)).square().mean(-1).flatten()
    middle = int(errors.argsort()[len(errors) // 2])
    groups = before.shape[1] // size
    row, group = middle // groups, middle % groups
    begin = group * size
    some = slice(begin, begin + min(size, CLOSE))
    levels: list[float]
    if isinstance(stored, QuantizedTensor):
        codes = torch.arange(1 << stored.bits, dtype=torch.uint8, device=stored.codes.device)
        grid = stored.grid
        zero = None if grid.zero_point is None else grid.zero_point[row, group]
        levels = type(grid)(grid.bits, grid.scale[row, group], zero).decode(codes).tolist()
    else:
        levels = torch.unique(after[row, begin : begin + size]).tolist()
    return Group(
        row=row, begin=begin, before=before[row, some].tolist(), after=after[row, some].tolist(),
        levels=tuple(sorted(levels)) if len(levels) <= 256 else (),
    )  # fmt: skip


def _map(change: Tensor, rms: float) -> ErrorMap:
    rows, columns = (-(-size // CELLS) for size in change.shape)
    mean = torch.nn.functional.avg_pool2d(
        change.square()[None, None].cpu(), (rows, columns), ceil_mode=True, count_include_pad=False
    )[0, 0]
    error = mean.sqrt() / rms if rms else mean
    return ErrorMap(error=error.tolist(), rows_per_cell=rows, columns_per_cell=columns)
