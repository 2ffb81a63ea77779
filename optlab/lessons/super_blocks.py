"""Lesson 12: K-quants, the formats of llama.cpp in which scales have a scale of their own.

A super-block is 256 neighbours of a row, cut into blocks. A block has a scale of a few bits, in the formats with a
minimum a minimum of as many bits too, and what those bits count in is one float16 for the whole super-block:

    with a minimum   w = d s q - d_min m        Q2_K, Q4_K, Q5_K
    symmetric        w = d s (q - 2^(b-1))      Q3_K, Q6_K; s may be negative

Source: ggml-org/llama.cpp, pull request 1684. That program searches several scales for each block and keeps the one
with the least error; here the scale takes the block's range, which is where the search begins. How the numbers are
packed into bytes is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optlab.errors import RecipeError
from optlab.lessons.weights import Array

SUPER = 256
"""Weights of a super-block."""
WIDE_BITS = 16
"""Of d, and of d_min."""


@dataclass(frozen=True)
class Format:
    """bits: of a code. block: weights that share a scale. scale_bits: of a scale, and of a minimum where there is
    one."""

    name: str
    bits: int
    block: int
    scale_bits: int
    minimum: bool

    @property
    def bits_per_weight(self) -> float:
        """What a weight costs, its share of scales, minima and their float16 included."""
        each = 2 if self.minimum else 1
        return self.bits + each * (self.scale_bits / self.block + WIDE_BITS / SUPER)


FORMATS = {
    one.name: one
    for one in (
        Format("Q2_K", 2, 16, 4, minimum=True),
        Format("Q3_K", 3, 16, 6, minimum=False),
        Format("Q4_K", 4, 32, 6, minimum=True),
        Format("Q5_K", 5, 32, 6, minimum=True),
        Format("Q6_K", 6, 16, 8, minimum=False),
    )
}


@dataclass(frozen=True)
class Rounded:
    """n weights after rounding, in s super-blocks of k blocks. before, after [n] float32; codes [s, k, block] uint8.

    d, d_min [s] float16, d_min None without minima; scales [s, k] whole numbers, negative ones among them where the
    format is symmetric; minima [s, k] whole numbers, None without. levels [s, k, 2^bits]: what the codes stand for.
    """

    format: Format
    before: Array
    after: Array
    codes: Array
    d: Array
    d_min: Array | None
    scales: Array
    minima: Array | None
    levels: Array


def rounded(row: Array, name: str) -> Rounded:
    """row [n] float32 in the format `name`, n a multiple of 256. Raises RecipeError when it is not, or the name is
    unknown."""
    if name not in FORMATS or len(row) % SUPER:
        raise RecipeError("there is no K-quant {name} of {count} weights", name=name, count=len(row))
    shape = FORMATS[name]
    blocks = row.reshape(-1, SUPER // shape.block, shape.block)
    return _with_minimum(blocks, shape) if shape.minimum else _symmetric(blocks, shape)


def matrix(W: Array, name: str) -> Array:
    """W [out, in] rounded row by row; float32 again."""
    return rounded(W.reshape(-1), name).after.reshape(W.shape)


def _with_minimum(blocks: Array, shape: Format) -> Rounded:
    top, most = (1 << shape.bits) - 1, (1 << shape.scale_bits) - 1
    low, high = np.minimum(blocks.min(-1), 0), np.maximum(blocks.max(-1), 0)
    d, scales = _in_units((high - low) / top, most)
    d_min, minima = _in_units(-low, most)
    codes = np.arange(top + 1, dtype=np.float32)
    levels = _times(d, scales)[..., None] * codes - _times(d_min, minima)[..., None]
    return _nearest(blocks, shape, levels, d, d_min, scales, minima)


def _symmetric(blocks: Array, shape: Format) -> Rounded:
    half, most = 1 << (shape.bits - 1), 1 << (shape.scale_bits - 1)
    # there is one code more below zero than above: the sign of the scale turns it to the weight that is largest
    places = np.abs(blocks).argmax(-1)[..., None]
    largest = np.take_along_axis(blocks, places, -1)[..., 0]
    wanted = -largest / half
    greatest = np.take_along_axis(wanted, np.abs(wanted).argmax(-1)[..., None], -1)
    d = (-greatest[..., 0] / most).astype(np.float16)
    scales = np.clip(np.round(wanted / _safe(d)[:, None]), -most, most - 1)
    codes = np.arange(2 * half, dtype=np.float32) - half
    levels = _times(d, scales)[..., None] * codes
    return _nearest(blocks, shape, levels, d, None, scales, None)


def _in_units(values: Array, most: int) -> tuple[Array, Array]:
    """values [s, k], none negative, as whole numbers up to `most` times one float16 for each s."""
    unit = (values.max(-1) / most).astype(np.float16)
    return unit, np.clip(np.round(values / _safe(unit)[:, None]), 0, most)


def _times(unit: Array, counts: Array) -> Array:
    return unit.astype(np.float32)[:, None] * counts.astype(np.float32)


def _safe(unit: Array) -> Array:
    """A unit of 0 has nothing to count, and must not divide."""
    return np.where(unit == 0, np.float32(1), unit.astype(np.float32))


def _nearest(
    blocks: Array, shape: Format, levels: Array, d: Array, d_min: Array | None, scales: Array, minima: Array | None
) -> Rounded:
    step = np.where(levels[..., 1] == levels[..., 0], np.float32(1), levels[..., 1] - levels[..., 0])
    codes = np.clip(np.round((blocks - levels[..., :1]) / step[..., None]), 0, levels.shape[-1] - 1).astype(np.uint8)
    after = np.take_along_axis(levels, codes.astype(np.int64), -1)
    return Rounded(
        shape, blocks.reshape(-1), after.reshape(-1), codes, d, d_min, scales.astype(np.int64),
        None if minima is None else minima.astype(np.int64), levels,
    )  # fmt: skip
