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

Columns are the rows of every tensor here ([in, out]), so that one column is contiguous in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

CHUNK = 16
"""Columns whose mutual corrections are made one by one; those between chunks are one matrix product. Only speed."""

Rule = Callable[[int, Tensor], Tensor]
"""(i, what column i of the span should become, [out]) -> what it becomes, [out]; float32."""


def factor(H: Tensor, damping: float) -> Tensor:
    """R upper triangular, float32, with R R^T = H + damping * mean(diag H) * I.

    H [in, in]: symmetric, positive semidefinite, float32. Inputs that are always 0 get a diagonal of the mean. Where H
    is not positive definite to working precision, it is tried in float64, then with ten times the damping, and so on.
    """
    diagonal = H.diagonal()
    level = float(diagonal.mean()) or 1.0
    dead = torch.where(diagonal > 0, 0.0, level)
    while True:
        added = dead + damping * level
        for dtype in (torch.float32, torch.float64):
            # The last input first: the lower factor of the reversed matrix is the reversed upper factor. One copy and
            # its factor are all that is held: H of a layer with 28,672 inputs takes 3.3 GB.
            reversed_H = H.flip(0, 1).to(dtype)
            reversed_H.diagonal().add_(added.flip(0).to(dtype))
            lower, failed = torch.linalg.cholesky_ex(reversed_H)
            del reversed_H
            if not int(failed):
                return lower.flip(0, 1).float()
        damping = max(10 * damping, 1e-6)


@dataclass(frozen=True)
class Span:
    """Neighbouring columns that are settled together.

    begin: number of the first. weights [size, lanes]: as they were. carried [size, lanes]: the same plus the shares of
    the columns settled before. share [size, size] and cost [size]: R_ji / R_ii (at row i, column j) and R_ii^2.
    """

    begin: int
    weights: Tensor
    carried: Tensor
    share: Tensor
    cost: Tensor

    @cached_property
    def expected(self) -> Tensor:
        """What the columns should become if no error were made from here on, [size, lanes].

        Not `carried`: a column that moves to make up for those before has itself moved away from its weight, of which
        the next takes a share. So its error e solves share e = weights - carried, which makes every later cost 0.
        """
        if not self.begin:
            return self.weights
        moved = torch.linalg.solve_triangular(self.share, self.carried - self.weights, upper=False, unitriangular=True)
        return self.weights + moved

    def rows(self, some: slice) -> Span:
        """The same columns of some rows of W."""
        return Span(self.begin, self.weights[:, some], self.carried[:, some], self.share, self.cost)

    def repeated(self, times: int) -> Span:
        """The same side by side, so that several choices are walked at once."""
        return Span(self.begin, self.weights.repeat(1, times), self.carried.repeat(1, times), self.share, self.cost)

    def walk(self, rule: Rule) -> tuple[Tensor, Tensor]:
        """Settle the columns by `rule`: (weights minus what they became [size, lanes], cost of each lane [lanes])."""
        size = self.weights.shape[0]
        error, total = torch.empty_like(self.weights), torch.zeros_like(self.weights[0])
        for first in range(0, size, CHUNK):
            last = min(first + CHUNK, size)
            chunk = self.carried[first:last]
            if first:
                chunk = torch.addmm(chunk, self.share[first:last, :first], error[:first])
            for i in range(first, last):
                target = torch.addmv(chunk[i - first], error[first:i].T, self.share[i, first:i])
                value = rule(i, target)
                torch.sub(self.weights[i], value, out=error[i])
                missed = target.sub_(value)
                total.addcmul_(missed, missed, value=float(self.cost[i]))
        return error, total


def compensate(W: Tensor, R: Tensor, size: int, settle: Callable[[Span], Tensor]) -> Tensor:
    """W - Q [out, in] after every column was settled, from left to right, `size` columns at a time.

    W [out, in] float32; R as `factor` gives it, for inputs in the same order. settle(span): chooses what the columns
    of a span become, as by `Span.walk`, and answers with their error [size, out].
    """
    weights = W.T.contiguous()
    diagonal = R.diagonal()
    share = (R / diagonal).T.contiguous()
    error = torch.zeros_like(weights)
    for begin in range(0, weights.shape[0], size):
        inside = slice(begin, begin + size)
        carried = torch.addmm(weights[inside], share[inside, :begin], error[:begin])
        error[inside] = settle(Span(begin, weights[inside], carried, share[inside, inside], diagonal[inside].square()))
    return error.T
