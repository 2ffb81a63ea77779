"""Lessons 4 and 6: a row of real weights on a grid of 2^bits levels, and what one large weight does to it.

The grids are those of `optlab.formats.integer_grid`: scales rounded to float16 before a code is chosen, zero points
stored as whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optlab.errors import RecipeError
from optlab.lessons.weights import Array

SCALE_BITS, ZERO_BITS = 16, 8


@dataclass(frozen=True)
class Rounded:
    """A row of n weights after rounding. before, after [n] float32; codes [n] uint8; scale [groups] float16;
    zero [groups] uint8, None for a symmetric grid; levels [groups, 2^bits]: what the codes stand for."""

    before: Array
    after: Array
    codes: Array
    scale: Array
    zero: Array | None
    levels: Array
    bits: int
    group: int

    @property
    def error(self) -> float:
        """Root mean square of the change, relative to that of the weights."""
        size = float(np.square(self.before).mean())
        return float(np.sqrt(np.square(self.after - self.before).mean() / size)) if size else 0.0

    @property
    def bits_per_weight(self) -> float:
        """What a weight costs, its share of scale and zero point included."""
        return self.bits + (SCALE_BITS + (ZERO_BITS if self.zero is not None else 0)) / self.group


def rounded(row: Array, bits: int, group: int, symmetric: bool = False) -> Rounded:
    """row [n] float32 rounded to the nearest level of its group's grid. Raises RecipeError when `group` does not divide
    n or bits is not 2 to 8."""
    if len(row) % group or not 2 <= bits <= 8:
        raise RecipeError(
            "bits from 2 to 8 and a group that divides {row_count}, not {bits} and {group}",
            row_count=len(row),
            bits=bits,
            group=group,
        )
    groups = row.reshape(-1, group)
    top = (1 << bits) - 1
    if symmetric:
        scale = _stored(2 * np.abs(groups).max(1) / np.float32(top))
        zero, centre = None, np.full(len(groups), 1 << (bits - 1), np.float32)
    else:
        low, high = np.minimum(groups.min(1), 0), np.maximum(groups.max(1), 0)
        scale = _stored((high - low) / np.float32(top))
        centre = np.clip(np.round(-low / scale.astype(np.float32)), 0, top)
        zero = centre.astype(np.uint8)
    step = scale.astype(np.float32)[:, None]
    codes = np.clip(np.round(groups / step) + centre[:, None], 0, top)
    after = (codes - centre[:, None]) * step
    levels = (np.arange(top + 1, dtype=np.float32) - centre[:, None]) * step
    return Rounded(row, after.reshape(-1), codes.reshape(-1).astype(np.uint8), scale, zero, levels, bits, group)


def matrix(W: Array, bits: int, group: int, symmetric: bool = False) -> Array:
    """W [out, in] rounded row by row; float32 again."""
    return rounded(W.reshape(-1), bits, group, symmetric).after.reshape(W.shape)


def error_by_size(row: Array, bits: int, groups: tuple[int, ...]) -> dict[int, float]:
    """The error of `row` for every group size that divides it."""
    return {group: rounded(row, bits, group).error for group in groups if len(row) % group == 0}


@dataclass(frozen=True)
class Outlier:
    """One weight of a row made larger. factors [k]: how many times; place: which weight; errors: for every group size
    [k], the error of all *other* weights relative to their root mean square."""

    factors: Array
    place: int
    errors: dict[int, Array]


def grown(row: Array, place: int, factor: float) -> Array:
    """A copy of `row` whose weight at `place` is as large as `factor` times the largest of the row, its sign kept."""
    changed = row.copy()
    changed[place] = np.copysign(factor * np.abs(row).max(), row[place])
    return changed


def outlier(row: Array, place: int, bits: int, groups: tuple[int, ...], factors: Array) -> Outlier:
    """The error of the other weights while the weight at `place` grows to factors [k] times the row's largest."""
    others = np.arange(len(row)) != place
    size = np.square(row[others]).mean()
    errors = {}
    for group in groups:
        found = []
        for factor in factors:
            result = rounded(grown(row, place, float(factor)), bits, group)
            found.append(np.sqrt(np.square(result.after - result.before)[others].mean() / size))
        errors[group] = np.asarray(found)
    return Outlier(factors, place, errors)


def _stored(scale: Array) -> Array:
    kept = scale.astype(np.float16)
    return np.where(kept == 0, np.float16(1), kept)
