"""One weight whose rounding is being learned: up or down for every number, and how far each group's range reaches.

The stored number is q = s * (clamp(round(T / s + V) + z, 0, n) - z), where T is the weight, and step s and zero point
z follow from the range [beta * low, alpha * high] of the group (Cheng et al., arXiv 2309.05516, eq. 3). Rounding is
taken as the identity for gradients; then, with G = dL/dq,

    dL/dV      has the sign of G where q is not clamped, and is 0 where it is
    dL/dhigh   = sum of G where q is clamped above + sum of G (q - T) / (s n) where it is not
    dL/dlow    = sum of G where q is clamped below - the same second sum

so a step of signed descent needs G alone, and no graph of all this is kept.
"""

from __future__ import annotations

import torch
from torch import Tensor

from optlab.formats.integer_grid import Grid, fit, in_groups, levels
from optlab.formats.integer_tensor import QuantizedTensor

NARROWEST, WIDEST = 0.5, 1.5
"""Limits of alpha and beta: fractions of the range that learning begins with."""

REACH = 0.49
"""How far, in levels, a number may lie from the level it rounds to."""


class LearnedRounding:
    """The choices for one weight [out, in]; they begin at the codes and grids of `start`."""

    def __init__(self, start: QuantizedTensor, W: Tensor) -> None:
        """W [out, in] float32: the weight before it was quantized. Where the codes of `start` are not the nearest, T is
        the number nearest to W that rounds to them."""
        self.start = start
        self.largest = levels(start.bits)
        self.pruned = W == 0 if start.pruned else torch.zeros((), dtype=torch.bool, device=W.device)
        span = start.scale.float() * self.largest
        if start.zero_point is None:
            self.low = -span / 2
        elif start.zero == "float":
            self.low = start.zero_point.float()
        else:
            self.low = -start.zero_point.float() * start.scale.float()
        self.high = self.low + span
        values, step = in_groups(start.dequantize(), start.group_size), start.scale.float().unsqueeze(-1)
        self.T = values + (in_groups(W, start.group_size) - values).clamp(-REACH * step, REACH * step)
        self.V = torch.zeros_like(self.T)
        self.alpha, self.beta = torch.ones_like(self.low), torch.ones_like(self.low)
        # What the last `value` computed on its way, and the next `descend` needs: grid, codes, q by groups.
        self._known: tuple[Grid, Tensor, Tensor] | None = None

    def grid(self) -> Grid:
        """The grid of the ranges as they are now; its scale is [out, groups]."""
        low, high = self.beta * self.low, self.alpha * self.high
        return fit(low, high, self.start.bits, self.start.zero, self.start.scale.dtype)

    def _codes(self, grid: Grid) -> Tensor:
        """Codes [out, groups, size] before they are clamped."""
        wide = grid.unsqueeze().wide()
        if wide.lowest is not None:
            return ((self.T - wide.lowest) / torch.where(wide.scale == 0, 1.0, wide.scale)).add_(self.V).round_()
        return (self.T / wide.scale).add_(self.V).round_().add_(wide.zero_code)

    def value(self) -> Tensor:
        """q [out, in] float32."""
        grid = self.grid()
        codes = self._codes(grid)
        q = grid.unsqueeze().wide().value(codes.clamp(0, self.largest))
        self._known = grid, codes, q
        return q.flatten(1).masked_fill(self.pruned, 0.0)

    def descend(self, G: Tensor, rate: float) -> None:
        """One step of signed descent. G: dL/dq [out, in] at `value()`; rate: in levels for V, in fractions of the range
        for alpha and beta."""
        if self._known is None:
            self.value()
        assert self._known is not None
        (grid, codes, q), self._known = self._known, None
        G, scale = in_groups(G, self.start.group_size), grid.scale.float()
        side = codes.sub_(codes.clamp(0, self.largest)).sign_()  # 1 where clamped above, -1 below, 0 where free
        free = G.masked_fill(side != 0, 0.0)
        bend = q.sub_(self.T).mul_(free).sum(-1) / torch.where(scale == 0, 1.0, scale) / self.largest
        clamped = G - free
        both, difference = clamped.sum(-1), clamped.mul_(side).sum(-1)
        by_high = ((both + difference) / 2 + bend) * self.high
        by_low = ((both - difference) / 2 - bend) * self.low
        if self.start.zero_point is None:
            by_high = by_low = by_high + by_low
        self.V.sub_(free.sign_(), alpha=rate).clamp_(-0.5, 0.5)
        self.alpha.sub_(by_high.sign(), alpha=rate).clamp_(NARROWEST, WIDEST)
        self.beta.sub_(by_low.sign(), alpha=rate).clamp_(NARROWEST, WIDEST)

    def result(self) -> QuantizedTensor:
        """The weight as it is stored; `dequantize()` of it equals `value()`."""
        grid = self.grid()
        codes = self._codes(grid).clamp_(0, self.largest).flatten(1).to(torch.uint8)
        found = QuantizedTensor(codes, grid.scale, grid.zero_point, self.start.bits, self.start.group_size)
        return found.with_zeros(self.pruned) if self.start.pruned else found
