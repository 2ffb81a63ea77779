"""Lesson 8: which weights of one matrix go by magnitude, by Wanda and by SparseGPT, and what its outputs lose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optlab.lessons import moments
from optlab.lessons.weights import Array

METHODS = ("magnitude", "wanda", "sparsegpt")
DAMPING = 0.01
BLOCK = 128


@dataclass(frozen=True)
class Pruned:
    """A matrix [out, in] after pruning. zeros: bool, True where a weight went. error: relative mean square error of the
    outputs on the calibration text."""

    weights: Array
    zeros: Array
    error: float


def magnitude(W: Array, sparsity: float) -> Array:
    """True at the smallest |w| of the whole matrix (Han et al., arXiv 1506.02626)."""
    return _lowest(np.abs(W).reshape(1, -1), round(sparsity * W.size)).reshape(W.shape)


def wanda(W: Array, H: Array, sparsity: float) -> Array:
    """True at the smallest |w| sqrt(H_jj) of every row (Sun et al., arXiv 2306.11695, eq. 1)."""
    scores = np.abs(W) * np.sqrt(np.diag(H)).astype(np.float32)
    return _lowest(scores, round(sparsity * W.shape[1]))


def sparsegpt(W: Array, H: Array, sparsity: float, damping: float = DAMPING) -> tuple[Array, Array]:
    """(zeros, corrected weights) of Frantar and Alistarh, arXiv 2301.00774, algorithm 1.

    U: upper factor of the damped inverse of H, so that U_jj^2 is [H^-1]_jj of the inputs still open.
    """
    size = H.shape[0]
    level = np.diag(H).mean()
    damped = H + np.diag(np.where(np.diag(H) > 0, 0.0, level)) + damping * level * np.eye(size)
    U = np.linalg.cholesky(np.linalg.inv(damped)).T
    left, zeros = W.astype(np.float64), np.zeros(W.shape, bool)
    for begin in range(0, size, BLOCK):
        end = min(begin + BLOCK, size)
        due = round(sparsity * len(W) * end) - round(sparsity * len(W) * begin)
        scores = np.square(left[:, begin:end] / np.diag(U)[begin:end])
        zeros[:, begin:end] = _lowest(scores.reshape(1, -1), due).reshape(scores.shape)
        for j in range(begin, end):
            lost = np.where(zeros[:, j], left[:, j], 0.0) / U[j, j]
            left[:, j:] -= np.outer(lost, U[j, j:])
    return zeros, np.where(zeros, 0.0, left).astype(np.float32)


def pruned(W: Array, H: Array, method: str, sparsity: float) -> Pruned:
    """W [out, in] float32 with a share `sparsity` of zeros by one of `METHODS`; H [in, in] of its inputs."""
    if method == "sparsegpt":
        zeros, kept = sparsegpt(W, H, sparsity)
    else:
        zeros = magnitude(W, sparsity) if method == "magnitude" else wanda(W, H, sparsity)
        kept = np.where(zeros, np.float32(0), W)
    return Pruned(kept, zeros, moments.output_error(W, kept, H))


def agreement(one: Array, other: Array) -> float:
    """The share of the zeros of `one` that `other` has too."""
    return float((one & other).sum() / max(int(one.sum()), 1))


def _lowest(scores: Array, count: int) -> Array:
    """True at the `count` lowest of every row; among equals the earlier goes."""
    order = np.argsort(scores, axis=-1, kind="stable")[:, :count]
    mask = np.zeros(scores.shape, bool)
    np.put_along_axis(mask, order, True, axis=-1)
    return mask
