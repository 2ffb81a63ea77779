"""Lesson 10: one matrix times one vector, timed here: dense, full of zeros, without its zeros, and truly smaller.

A token's work in a language model is mostly such products. They are timed in turns, so that whatever else the machine
does falls on all of them alike; the median of many turns is told.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from optlab.lessons import pruning
from optlab.lessons.weights import Array

TURNS = 41
REPEATS = 8
"""Products per turn, so that a turn is long against the clock's own cost."""


@dataclass(frozen=True)
class Timed:
    """Microseconds of one product W x with W [out, in], for each share of zeros. dense: all numbers multiplied, zeros
    too. csr: only those that are left, found by their positions. smaller: a dense matrix with so many rows fewer."""

    shares: tuple[float, ...]
    dense: Array
    csr: Array
    smaller: Array


def timed(W: Array, shares: Sequence[float], turns: int = TURNS) -> Timed:
    """Time W [out, in] float32 with each share of its smallest weights set to zero, on this machine, now."""
    x = np.random.default_rng(0).standard_normal(W.shape[1]).astype(np.float32)
    found: dict[str, list[float]] = {"dense": [], "csr": [], "smaller": []}
    for share in shares:
        products = forms(W, share)
        times: dict[str, list[float]] = {name: [] for name in products}
        for turn in range(turns + 1):
            for name, matrix in products.items():
                began = time.perf_counter()
                for _ in range(REPEATS):
                    matrix @ x
                if turn:  # the first turn fills the caches
                    times[name].append((time.perf_counter() - began) / REPEATS * 1e6)
        for name, own in times.items():
            found[name].append(float(np.median(own)))
    return Timed(tuple(shares), *(np.asarray(found[name]) for name in ("dense", "csr", "smaller")))


def forms(W: Array, share: float) -> dict[str, Array | csr_matrix]:
    """The three matrices that are timed: zeros kept as numbers, zeros left out, and rows left out instead."""
    zeroed = np.where(pruning.magnitude(W, share), np.float32(0), W)
    rows = max(1, round(len(W) * (1 - share)))
    return {"dense": zeroed, "csr": csr_matrix(zeroed), "smaller": np.ascontiguousarray(W[:rows])}
