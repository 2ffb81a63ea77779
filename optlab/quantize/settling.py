"""The rule that GPTQ and SparseGPT share for what a column becomes: a level of a grid, or 0, or both.

On a processor the walk of `hessian.Span`, a column at a time; on a graphics card one launch for a whole span.
"""

from __future__ import annotations

from importlib.util import find_spec

import torch
from torch import Tensor

from optlab.formats.integer_grid import Levels
from optlab.quantize.hessian import Span


def settle(
    span: Span, levels: Levels | None = None, gone: Tensor | None = None, times: int = 1
) -> tuple[Tensor, Tensor | None, Tensor]:
    """The usual rule: columns rounded to `levels` (None: not), and 0 where `gone` [size, out] says so.

    times: choices of levels that are walked side by side; the scale of `levels` is [times * out]. Returns error
    [size, times * out], codes alike (None without levels) and the cost of each lane. On a graphics card with Triton it
    is one launch (`optlab.quantize.settling_triton`).
    """
    if span.weights.is_cuda and find_spec("triton") is not None:
        from optlab.quantize.settling_triton import settled

        return settled(span, levels, gone, times)
    gone = None if gone is None else gone.repeat(1, times)
    codes = None
    if levels is not None:
        codes = torch.empty(span.weights.shape[0], times * span.weights.shape[1], device=span.weights.device)

    def rule(i: int, target: Tensor) -> Tensor:
        value = target if gone is None else target.masked_fill(gone[i], 0.0)
        if levels is None or codes is None:
            return value
        codes[i] = levels.nearest(value)
        return levels.value(codes[i])

    error, cost = (span.repeated(times) if times > 1 else span).walk(rule)
    return error, codes, cost
