"""Lesson 10: one matrix times one vector, timed here: dense, full of zeros, without its zeros, and truly smaller.

A token's work in a language model is mostly such products. They are timed in turns, so that whatever else the machine
does falls on all of them alike; the median of many turns is told.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from scipy.sparse import csr_matrix

from optlab.lessons import pruning
from optlab.lessons.weights import Array

TURNS = 41
REPEATS = 8
"""Products per turn, so that a turn is long against the clock's own cost."""


@dataclass(frozen=True)
class Form:
    """One way to keep a matrix, at each share of zeros. microseconds [S]: median time of a product. speedup [S]: how
    many times as fast as the matrix without zeros, the median over turns; low, high [S]: its 95 % interval."""

    microseconds: Array
    speedup: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class Timed:
    """One product W x with W [out, in], for each share of zeros. dense: all numbers multiplied, zeros too. csr: only
    those that are left, found by their positions. smaller: a dense matrix with so many rows fewer."""

    shares: tuple[float, ...]
    dense: Form
    csr: Form
    smaller: Form


def timed(W: Array, shares: Sequence[float], turns: int = TURNS) -> Timed:
    """Time W [out, in] float32 with each share of its smallest weights set to zero, on this machine, now. Every turn
    times the matrix without zeros too, so that a speed-up compares neighbours in time."""
    x = np.random.default_rng(0).standard_normal(W.shape[1]).astype(np.float32)
    times = np.stack([_turns([W, *forms(W, share).values()], x, turns) for share in shares])  # [S, forms, turns]
    ratios = np.sort(times[:, :1] / times[:, 1:], axis=-1)
    first, last = median_ranks(turns)
    dense, csr, smaller = (
        Form(np.median(times[:, n + 1], -1), np.median(ratios[:, n], -1), ratios[:, n, first], ratios[:, n, last])
        for n in range(3)
    )
    return Timed(tuple(shares), dense, csr, smaller)


def median_ranks(count: int, level: float = 0.95) -> tuple[int, int]:
    """Places, from 0, of the sorted values between which the median of what was sampled lies with at least `level`: an
    interval that assumes nothing of their distribution. All values where `count` is too small for it."""
    below = np.cumsum([comb(count, k) for k in range(count + 1)]) / 2.0**count
    first = max(int((below <= (1 - level) / 2).sum()) - 1, 0)
    return first, count - 1 - first


def _turns(matrices: Sequence[Array | csr_matrix], x: Array, turns: int) -> Array:
    """Microseconds of a product with each of `matrices`, in turns: [matrices, turns]."""
    found = np.zeros((len(matrices), turns + 1))
    for turn in range(turns + 1):
        for number in range(len(matrices)):
            place = (number + turn) % len(matrices)  # none is always the first
            matrix = matrices[place]
            began = time.perf_counter()
            for _ in range(REPEATS):
                matrix @ x
            found[place, turn] = (time.perf_counter() - began) / REPEATS * 1e6
    return found[:, 1:]  # the first turn fills the caches


def forms(W: Array, share: float) -> dict[str, Array | csr_matrix]:
    """The three matrices that are timed: zeros kept as numbers, zeros left out, and rows left out instead."""
    zeroed = np.where(pruning.magnitude(W, share), np.float32(0), W)
    rows = max(1, round(len(W) * (1 - share)))
    return {"dense": zeroed, "csr": csr_matrix(zeroed), "smaller": np.ascontiguousarray(W[:rows])}
