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
    damped = H + np.diag(np.where(np.diag(H) > 0, 0.0, np.diag(H).mean())) + damping * np.diag(H).mean() * np.eye(n)
    inverse = np.linalg.inv(damped)
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


def _cost(row: Array, other: Array, H: Array) -> float:
    change = other - row.astype(np.float64)
    return float(change @ H @ change)
