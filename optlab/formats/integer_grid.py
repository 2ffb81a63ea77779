"""Uniform grids: where the 2^bits levels lie that a group of weights is rounded to.

A grid has a step (`scale`) and says which number code 0 stands for, in one of three ways:

    symmetric       w = scale * (code - 2^(bits-1))         no zero point is stored
    integer zero    w = scale * (code - zero_point)         0 is a level, so pruned weights stay exactly 0
    float zero      w = scale * code + zero_point           the stored minimum, as llama.cpp's Q4_1 and tinygemm

Scale and float zero are rounded to the 16-bit format in which they are stored *before* a code is chosen, so the
weights that are evaluated are the weights that are on disk.

Source: Jacob et al., arXiv 1712.05877, eq. 1; the symmetric step 2 max|w| / (2^bits - 1) is compressed-tensors' own,
under which the largest weight is off by half a step like every other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Zero = Literal["none", "integer", "float"]
CLIP_FACTORS = torch.arange(40, 19, -1) / 40
"""Fractions of the full range that the search for the best clipping tries: 1, 0.975 ... 0.5."""
SMALLEST_IN_FLOAT16 = 2.0**-17
"""Below this a float16 is so far into its subnormals that bfloat16 holds the number better."""


@dataclass(frozen=True)
class Grid:
    """Levels of a set of groups. scale: any shape, float16 or bfloat16; zero_point: the same shape, uint8 (integer
    zero), dtype of scale (float zero), or None (symmetric)."""

    bits: int
    scale: Tensor
    zero_point: Tensor | None

    def encode(self, w: Tensor) -> Tensor:
        """Nearest codes (uint8) of w, float32, whose shape broadcasts against that of the scale."""
        return self.wide().nearest(w).to(torch.uint8)

    def decode(self, codes: Tensor) -> Tensor:
        """The numbers that codes stand for, float32 (exact: 11 bits of scale times at most 9 of code)."""
        return self.wide().value(codes.float())

    def wide(self) -> Levels:
        """The same levels in float32, for loops that round many times to one grid."""
        if self.zero_point is not None and self.zero_point.is_floating_point():
            return Levels(levels(self.bits), self.scale.float(), 0.0, self.zero_point.float())
        return Levels(levels(self.bits), self.scale.float(), self.zero_code(), None)

    def zero_code(self) -> Tensor | float:
        """The code, as float32, that stands for 0; only where there is one."""
        return float(1 << (self.bits - 1)) if self.zero_point is None else self.zero_point.float()

    def select(self, index: int) -> Grid:
        """The grids at position `index` of the last dimension, that dimension kept with size 1."""
        zero = None if self.zero_point is None else self.zero_point[..., index : index + 1]
        return Grid(self.bits, self.scale[..., index : index + 1], zero)

    def unsqueeze(self) -> Grid:
        """The same with a last dimension of size 1, to meet the weights of each group."""
        zero = None if self.zero_point is None else self.zero_point.unsqueeze(-1)
        return Grid(self.bits, self.scale.unsqueeze(-1), zero)


@dataclass(frozen=True)
class Levels:
    """A grid in float32, codes too. largest: the largest code. zero_code: which code stands for 0, or `lowest`: the
    number that code 0 stands for."""

    largest: int
    scale: Tensor
    zero_code: Tensor | float
    lowest: Tensor | None

    def nearest(self, w: Tensor) -> Tensor:
        """Nearest codes of w, as whole float32 numbers."""
        if self.lowest is not None:
            # A group of equal numbers has scale 0: code 0 stands for all of them.
            codes = ((w - self.lowest) / torch.where(self.scale == 0, 1.0, self.scale)).round_()
        else:
            # Round before the shift: 0 must meet its own level whatever the zero point is.
            codes = (w / self.scale).round_().add_(self.zero_code)
        return codes.clamp_(0, self.largest)

    def value(self, codes: Tensor) -> Tensor:
        """The numbers that codes (whole, float32) stand for."""
        if self.lowest is not None:
            return (codes * self.scale).add_(self.lowest)
        return (codes - self.zero_code).mul_(self.scale)


def levels(bits: int) -> int:
    """The largest code."""
    return (1 << bits) - 1


def in_groups(W: Tensor, group_size: int | None) -> Tensor:
    """W [out, in] seen as [out, groups, size]; None = one group per row."""
    return W.unflatten(1, (-1, group_size or W.shape[1]))


def diagonal_blocks(H: Tensor, size: int) -> Tensor:
    """The square blocks [groups, size, size] along the diagonal of H [in, in]."""
    count = H.shape[0] // size
    return H.view(count, size, count, size).diagonal(dim1=0, dim2=2).movedim(-1, 0)


def fit(low: Tensor, high: Tensor, bits: int, zero: Zero, dtype: torch.dtype | None = None) -> Grid:
    """The grid over the ranges low..high (float32, any shape). Ranges of an integer zero are widened to hold 0.

    dtype: of the scales, where other groups of the same tensor have decided it; None chooses what fits (`stored`).
    """
    if zero == "none":
        edge = torch.maximum(low.abs(), high.abs())
        scale = stored(2 * edge / levels(bits), dtype)
        return Grid(bits, torch.where(scale == 0, torch.ones_like(scale), scale), None)
    if zero == "float":
        pair = stored(torch.stack(((high - low) / levels(bits), low)), dtype)
        return Grid(bits, pair[0], pair[1])
    low, high = low.clamp(max=0.0), high.clamp(min=0.0)
    scale = stored((high - low) / levels(bits), dtype)
    scale = torch.where(scale == 0, torch.ones_like(scale), scale)
    zero_point = (-low / scale.float()).round_().clamp_(0, levels(bits)).to(torch.uint8)
    return Grid(bits, scale, zero_point)


def stored(values: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """`values` in the 16-bit format that holds them best: float16, or bfloat16 where float16's range ends. With a
    dtype, in that one, cut to its range."""
    if dtype is not None:
        return values.clamp(torch.finfo(dtype).min, torch.finfo(dtype).max).to(dtype)
    size = values.abs()
    smallest = size[size > 0].min() if bool((size > 0).any()) else torch.tensor(1.0)
    fits = float(size.max()) <= torch.finfo(torch.float16).max and float(smallest) >= SMALLEST_IN_FLOAT16
    return values.to(torch.float16 if fits else torch.bfloat16)


def minmax(groups: Tensor, bits: int, zero: Zero) -> Grid:
    """The grid over the full range of groups [..., size]; shape [...]."""
    low, high = groups.aminmax(dim=-1)
    return fit(low, high, bits, zero)


def best_clip(groups: Tensor, bits: int, zero: Zero, moments: Tensor | None = None) -> Grid:
    """The grid, among shrunken full ranges (`CLIP_FACTORS`), with the least squared error in each group.

    groups: [..., groups, size]. moments [groups, size, size]: mean of x x^T over the inputs of each group; with it the
    error that counts is that of the group's share of the output, e^T (x x^T) e, instead of e^T e.

    Few levels are better spent on the many weights near 0 than on the outermost one: at 2 bits the best range of
    normally distributed weights is 1.5 standard deviations to each side, where the largest of 64 lies at 2.4.
    """
    low, high = groups.aminmax(dim=-1)
    best_error = torch.full_like(low, torch.inf)
    best_low, best_high = low, high
    for factor in CLIP_FACTORS.tolist():
        grid = fit(low * factor, high * factor, bits, zero).unsqueeze()
        difference = grid.decode(grid.encode(groups)).sub_(groups)
        if moments is None:
            error = difference.square_().sum(-1)
        else:
            felt = torch.matmul(difference.transpose(-3, -2), moments).transpose(-3, -2)
            error = felt.mul_(difference).sum(-1)
        better = error < best_error
        best_error = torch.where(better, error, best_error)
        best_low = torch.where(better, low * factor, best_low)
        best_high = torch.where(better, high * factor, best_high)
    return fit(best_low, best_high, bits, zero)
