"""The walk of `hessian.Span` on a graphics card: all columns of a span in one launch, for all rows and ranges at once.

A column waits for those before it, but rows do not wait for each other: a program keeps a few rows of a span in
registers and settles their columns one after the other. Launched one by one, a column is a dozen operations that each
take longer to launch than to run; a layer has thousands of columns. Tested through Triton's interpreter, against the
walk of `hessian`.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from optlab.formats.integer_grid import Levels
from optlab.quantize.hessian import Span

COLUMNS = 64
"""Columns of a launch; those of wider spans pass their errors on by a product of matrices."""
LANES, INTERPRETED_LANES = 16, 1024
"""Lanes of a program, on a card and on a processor."""


@triton.jit
def settle_columns(
    weights, carried, shares, costs, scale, zero, gone, error, codes, total,
    columns, rows, carried_rows, lanes, weights_row, gone_row, largest,
    LEVELS: tl.constexpr, GONE: tl.constexpr, COLUMNS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """Settle up to COLUMNS columns of `lanes` lanes; lane l is row l % rows of weights and of gone.

    LEVELS: what a column becomes: "none" (what it should), "code" (a level of a grid whose code `zero` is 0) or
    "lowest" (of one whose code 0 is `zero`). GONE: whether `gone` says which become 0. shares [columns, columns]: row
    j is what column j passes on. error, codes [columns, lanes] and total [lanes], to which costs are added, are
    written.
    """
    lane = tl.program_id(0) * LANES + tl.arange(0, LANES)
    i = tl.arange(0, COLUMNS)
    inside, both = lane < lanes, (i < columns)[:, None] & (lane < lanes)[None, :]
    lane64, i64 = lane.to(tl.int64), i.to(tl.int64)
    left = tl.load(weights + i64[:, None] * weights_row + (lane64 % rows)[None, :], mask=both, other=0.0)
    open_ = tl.load(carried + i64[:, None] * carried_rows + (lane64 % carried_rows)[None, :], mask=both, other=0.0)
    if GONE:
        zeroed = tl.load(gone + i64[:, None] * gone_row + (lane64 % rows)[None, :], mask=both, other=0).to(tl.int32)
    if LEVELS != "none":
        step = tl.load(scale + lane, mask=inside, other=1.0)
        base = tl.load(zero + lane, mask=inside, other=0.0)
        found = tl.zeros((COLUMNS, LANES), tl.int32)
    missed_by = tl.load(total + lane, mask=inside, other=0.0)
    for column in range(columns):
        here = (i == column)[:, None]
        target = tl.sum(tl.where(here, open_, 0.0), 0)
        value = target
        if GONE:
            is_gone = tl.sum(tl.where(here, zeroed, 0), 0) != 0
            value = tl.where(is_gone, 0.0, target)
        if LEVELS == "code":
            # Adding and taking away 1.5 * 2^23 rounds to even.
            code = (tl.div_rn(value, step) + 12582912.0) - 12582912.0 + base
            code = tl.minimum(tl.maximum(code, 0.0), largest)
            value = (code - base) * step
        elif LEVELS == "lowest":
            code = (tl.div_rn(value - base, tl.where(step == 0.0, 1.0, step)) + 12582912.0) - 12582912.0
            code = tl.minimum(tl.maximum(code, 0.0), largest)
            value = code * step + base
        if LEVELS != "none":
            found = tl.where(here, code.to(tl.int32)[None, :], found)
        missed = target - value
        missed_by += missed * missed * tl.load(costs + column)
        left = tl.where(here, left - value[None, :], left)
        own = tl.sum(tl.where(here, left, 0.0), 0)
        passed = tl.load(shares + column * columns + i, mask=(i > column) & (i < columns), other=0.0)
        open_ += passed[:, None] * own[None, :]
    place = i64[:, None] * lanes + lane64[None, :]
    tl.store(error + place, left, mask=both)
    if LEVELS != "none":
        tl.store(codes + place, found.to(tl.uint8), mask=both)
    tl.store(total + lane, missed_by, mask=inside)


def settled(
    span: Span, levels: Levels | None = None, gone: Tensor | None = None, times: int = 1
) -> tuple[Tensor, Tensor, Tensor]:
    """`span.repeated(times).walk` with columns rounded to `levels` (None: not) and 0 where `gone` [size, out] says so:
    (error [size, times * out], codes uint8 alike, cost [times * out]).

    levels: whose scale and zeros are [times * out]. The rows of `span` lie in one piece.
    """
    size, rows = span.weights.shape
    lanes, device = times * rows, span.weights.device
    error = torch.empty(size, lanes, device=device)
    codes = torch.empty(size, lanes, dtype=torch.uint8, device=device)
    total = torch.zeros(lanes, device=device)
    kind, scale, zero, largest = "none", total, total, 0.0
    if levels is not None:
        base = levels.zero_code if levels.lowest is None else levels.lowest
        kind = "code" if levels.lowest is None else "lowest"
        scale, largest = levels.scale.contiguous(), float(levels.largest)
        zero = torch.as_tensor(base, dtype=torch.float32, device=device).expand(lanes).contiguous()
    at_once = LANES if device.type == "cuda" else INTERPRETED_LANES
    for first in range(0, size, COLUMNS):
        some = slice(first, min(first + COLUMNS, size))
        carried = span.carried[some].contiguous()
        if first:
            carried = torch.addmm(carried.repeat(1, times), span.share[some, :first], error[:first])
        weights, mask = span.weights[some], error if gone is None else gone[some]
        settle_columns[(-(-lanes // at_once),)](
            weights, carried, span.share[some, some].T.contiguous(), span.cost[some].contiguous(), scale, zero, mask,
            error[some], codes[some], total, some.stop - first, rows, carried.shape[1], lanes, weights.stride(0),
            mask.stride(0), largest, LEVELS=kind, GONE=gone is not None, COLUMNS=COLUMNS, LANES=at_once, num_warps=1,
        )  # fmt: skip
    return error, codes, total
