"""Lesson 12: MXFP4 and NVFP4, four bits as a tiny floating-point number with a scale of eight bits for each block.

    MXFP4   blocks of 32, the scale a power of two (E8M0)
    NVFP4   blocks of 16, the scale a float8 (E4M3), and one float32 for the whole matrix

Sources: Rouhani et al. 2023, arXiv 2310.10537 (MXFP4: algorithm 1); NVIDIA 2025, arXiv 2509.25149, appendix B (NVFP4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optlab.errors import RecipeError
from optlab.lessons.weights import Array

E2M1 = np.asarray([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32)
"""The numbers that three bits stand for; the fourth bit is the sign."""
CODE_BITS, SCALE_BITS = 4, 8
LARGEST_E4M3 = 448.0
BLOCK = {"MXFP4": 32, "NVFP4": 16}
"""Weights that share a scale."""


@dataclass(frozen=True)
class Rounded:
    """n weights after rounding in b blocks. before, after [n] float32; codes [b, block] uint8, the sign in bit 3.
    scales [b] float32, as stored; whole: the factor of the matrix, 1 for MXFP4. levels [b, 15], ascending."""

    name: str
    before: Array
    after: Array
    codes: Array
    scales: Array
    whole: float
    levels: Array


def bits_per_weight(name: str) -> float:
    """What a weight costs with its share of the block's scale; the factor of a matrix is not worth counting."""
    return CODE_BITS + SCALE_BITS / BLOCK[name]


def rounded(row: Array, name: str, whole: float | None = None) -> Rounded:
    """row [n] float32 in the format `name`, n a multiple of its block. whole: the factor of the matrix `row` is of,
    `factor` of the row itself when None. Raises RecipeError."""
    if name not in BLOCK or len(row) % BLOCK[name]:
        raise RecipeError("there is no format {name} of {count} weights", name=name, count=len(row))
    blocks = row.astype(np.float32).reshape(-1, BLOCK[name])
    largest = np.abs(blocks).max(-1)
    if name == "MXFP4":
        whole, scales = 1.0, power_of_two(largest)
    else:
        whole = factor(row) if whole is None else whole
        scales = e4m3(largest / E2M1[-1] / np.float32(whole))
    steps = scales * np.float32(whole)
    safe = np.where(steps == 0, np.float32(1), steps)[:, None]
    magnitude = _nearest(np.abs(blocks) / safe)
    magnitude[steps == 0] = 0
    after = np.copysign(E2M1[magnitude], blocks) * steps[:, None]
    codes = (magnitude | (np.signbit(blocks).astype(np.uint8) << 3)).astype(np.uint8)
    every = np.concatenate((-E2M1[:0:-1], E2M1))
    return Rounded(name, row, after.reshape(-1), codes, scales, whole, every * steps[:, None])


def matrix(W: Array, name: str) -> Array:
    """W [out, in] rounded row by row with one factor for all of them; float32 again."""
    return rounded(W.reshape(-1), name).after.reshape(W.shape)


def factor(W: Array) -> float:
    """Of a matrix in NVFP4: it takes the largest weight to the largest scale times the largest code."""
    largest = float(np.abs(W).max())
    return float(np.float32(largest / (LARGEST_E4M3 * float(E2M1[-1])))) if largest else 1.0


def power_of_two(largest: Array) -> Array:
    """E8M0: the scale of a block by the exponent of its largest weight; the codes reach 4 * 2^e, and 6 at most."""
    safe = np.where(largest > 0, largest, 1.0)
    exponent = np.clip(np.floor(np.log2(safe)) - 2, -127, 127)
    return np.where(largest > 0, np.exp2(exponent), 0.0).astype(np.float32)


def e4m3(x: Array) -> Array:
    """x >= 0 rounded to the nearest float8 of four exponent and three mantissa bits, ties to the even mantissa."""
    code = np.arange(127)
    exponent, mantissa = code >> 3, code & 7
    numbers = np.where(exponent == 0, mantissa * 2.0**-9, (1 + mantissa / 8) * np.exp2(exponent - 7.0))
    return _to(np.asarray(x, np.float64), numbers).astype(np.float32)


def _nearest(x: Array) -> Array:
    """The code of the number of E2M1 nearest to each x >= 0; a tie goes to the even code."""
    return _place(x.astype(np.float64), E2M1.astype(np.float64))


def _to(x: Array, numbers: Array) -> Array:
    return numbers[_place(x, numbers)]


def _place(x: Array, numbers: Array) -> Array:
    between = (numbers[1:] + numbers[:-1]) / 2
    below = np.searchsorted(between, x, side="left")
    tie = (below < len(between)) & (x == between[np.minimum(below, len(between) - 1)])
    return np.where(tie & (below % 2 == 1), below + 1, below)
