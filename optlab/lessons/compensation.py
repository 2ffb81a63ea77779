"""Lesson 5: GPTQ, one weight at a time, with the correction that every other weight gets shown after each.

Written as the paper writes it (Frantar et al., arXiv 2210.17323, eq. 2 and 3): the inverse of H is updated after every
weight. The library walks a Cholesky factor instead (`optlab.quantize.hessian`), which gives the same numbers faster.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optlab.lessons.grid import rounded
from optlab.lessons.weights import Array

DAMPING = 0.1


@dataclass(frozen=True)
class Steps:
    """A group of n weights of one row, rounded from left to right.

    before [n]. targets [n + 1, n]: after k weights are settled, what is settled (first k) and what the open ones have
    become. plain [n]: rounding alone. levels [2^bits]. errors [n + 1]: squared error of the row's output, relative to
    its mean square, after k steps, the open weights standing as they have become; plain_errors [n + 1]: the same when
    nothing is compensated. inverse_share [n, n]: row k is how much of the error of weight k each later one takes.
    """

    before: Array
    targets: Array
    plain: Array
    levels: Array
    errors: Array
    plain_errors: Array
    inverse_share: Array


def steps(row: Array, H: Array, bits: int, damping: float = DAMPING) -> Steps:
    """row [n] float32, one group; H [n, n]: second moments of its inputs (mean of x x^T)."""
    n = len(row)
    start = rounded(row, bits, n)
    levels = start.levels[0].astype(np.float64)
    inverse = np.linalg.inv(_damped(H, damping))
    weights = row.astype(np.float64)
    targets, shares = [weights.copy()], np.zeros((n, n))
    for k in range(n):
        settled = levels[np.abs(levels - weights[k]).argmin()]
        shares[k, k + 1 :] = inverse[k, k + 1 :] / inverse[k, k]
        weights[k + 1 :] -= (weights[k] - settled) * shares[k, k + 1 :]
        weights[k] = settled
        inverse = inverse - np.outer(inverse[:, k], inverse[k]) / inverse[k, k]  # weight k is settled: leave it out
        targets.append(weights.copy())
    plain = [np.concatenate((start.after[:k], row[k:])) for k in range(n + 1)]
    whole = float(row.astype(np.float64) @ H @ row) or 1.0
    return Steps(
        row, np.stack(targets), start.after, start.levels[0],
        np.asarray([_cost(row, one, H) / whole for one in targets]),
        np.asarray([_cost(row, one, H) / whole for one in plain]), shares,
    )  # fmt: skip


@dataclass(frozen=True)
class Rows:
    """How all rows of a layer end: relative squared error of each row's output [rows], with GPTQ and rounded alone."""

    errors: Array
    plain_errors: Array

    @property
    def better(self) -> float:
        """Share of the rows that GPTQ ends closer."""
        return float((self.errors < self.plain_errors).mean())

    @property
    def typical(self) -> int:
        """The row whose gain is the median of all."""
        gains = self.errors - self.plain_errors
        return int(np.argsort(gains, kind="stable")[len(gains) // 2])


def rows(W: Array, H: Array, bits: int, damping: float = DAMPING) -> Rows:
    """W [rows, n] float32, a group of each row; H [n, n] as for `steps`, which does the same for one row."""
    n = W.shape[1]
    start = rounded(W.reshape(-1), bits, n)
    levels, plain = start.levels.astype(np.float64), start.after.reshape(W.shape)
    inverse = np.linalg.inv(_damped(H, damping))
    weights = W.astype(np.float64)
    for k in range(n):
        nearest = np.abs(levels - weights[:, k, None]).argmin(1)
        settled = levels[np.arange(len(W)), nearest]
        weights[:, k + 1 :] -= np.outer(weights[:, k] - settled, inverse[k, k + 1 :] / inverse[k, k])
        weights[:, k] = settled
        inverse = inverse - np.outer(inverse[:, k], inverse[k]) / inverse[k, k]
    before = W.astype(np.float64)
    whole = _energy(before, H)
    whole[whole == 0] = 1.0
    return Rows(_energy(weights - before, H) / whole, _energy(plain - before, H) / whole)


def _energy(change: Array, H: Array) -> Array:
    """x^T H x of every row x."""
    return np.asarray(np.einsum("ri,ij,rj->r", change, H, change, optimize=True))


def _damped(H: Array, damping: float) -> Array:
    energy = np.diag(H)
    dead = np.diag(np.where(energy > 0, 0.0, energy.mean()))
    return np.asarray(H + dead + damping * energy.mean() * np.eye(len(H)))


def _cost(row: Array, other: Array, H: Array) -> float:
    change = other - row.astype(np.float64)
    return float(change @ H @ change)
