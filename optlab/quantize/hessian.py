"""Settle the columns of a weight one by one, and let the columns still open make up for the error of those settled.

Rounding (or zeroing) one weight changes a layer's output, and because inputs are correlated, later weights of the same
row can take back part of that change. GPTQ and SparseGPT are this walk with two rules for what a column becomes.

With H = mean of x x^T over the calibration text, the error of the outputs of W [out, in] when Q is stored is
tr((W - Q) H (W - Q)^T). Factor H = R R^T with R upper triangular; then it is the sum over columns i of
|(W - Q)[:, :i+1] R[:i+1, i]|^2, in which column i alone can still choose its last term:

    what column i should become   w_i + sum over j < i of (w_j - q_j) R_ji / R_ii
    what missing it by e costs    (e R_ii)^2

These are the updates of GPTQ (Frantar et al., arXiv 2210.17323, eq. 2 to 4) and SparseGPT (2301.00774), whose Cholesky
factor of the inverse of H is the inverse of this R: no matrix is inverted here. Seen so, both are Babai's nearest plane
(Chen et al., arXiv 2507.18553).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

CHUNK = 32
"""Columns whose mutual corrections are made one by one; those between chunks are one matrix product. Only speed."""

Rule = Callable[[int, Tensor], Tensor]
"""(i, what column i should become, float32 [out]) -> what it becomes, float32 [out]."""


def factor(H: Tensor, damping: float) -> Tensor:
    """R upper triangular, float32, with R R^T = H + damping * mean(diag H) * I.

    H [in, in]: symmetric, positive semidefinite, float32. Inputs that are always 0 get a diagonal of 1 where no damping
    reaches them. Where H is not positive definite to working precision, it is tried in float64, then with ten times
    the damping, again and again.
    """
    diagonal = H.diagonal()
    level = float(diagonal.mean())
    floor = torch.where(diagonal > 0, 0.0, level or 1.0)
    while True:
        added = floor + damping * level
        for dtype in (torch.float32, torch.float64):
            damped = H.to(dtype) + torch.diag(added.to(dtype))
            # The last input first: the lower factor of the reversed matrix is the reversed upper factor.
            lower, failed = torch.linalg.cholesky_ex(damped.flip(0, 1))
            if not int(failed):
                return lower.flip(0, 1).float().contiguous()
        damping = max(10 * damping, 1e-6)


def compensate(W: Tensor, R: Tensor, size: int, rule_for: Callable[[int, Tensor], Rule]) -> Tensor:
    """Q [out, in] float32: W with every column settled, from left to right, by the rules of its span.

    W [out, in] float32; R as `factor` gives it, for inputs in the same order. size: columns of a span. rule_for(begin,
    expected): called where a span begins, with what its columns [out, size] should become if no error were made from
    here on; answers with the rule that settles them.
    """
    columns = W.shape[1]
    weights = W.T.contiguous()
    share = (R / R.diagonal()).T.contiguous()
    error = torch.zeros_like(weights)
    for begin in range(0, columns, size):
        end = min(begin + size, columns)
        expected = torch.addmm(weights[begin:end], share[begin:end, :begin], error[:begin])
        rule = rule_for(begin, expected.T)
        for first in range(begin, end, CHUNK):
            last = min(first + CHUNK, end)
            chunk = expected[first - begin : last - begin]
            if first > begin:
                chunk = torch.addmm(chunk, share[first:last, begin:first], error[begin:first])
            for i in range(first, last):
                target = torch.addmv(chunk[i - first], error[first:i].T, share[i, first:i])
                error[i] = weights[i] - rule(i, target)
    return (weights - error).T.contiguous()
