"""HQQ: the zero point of every group is moved so that most weights are met exactly and a few badly. No text is needed.

Instead of the squared error, of which outliers take the most, it minimizes |error|^p with p < 1 by half-quadratic
splitting: the error that a heavy-tailed law explains is set aside, the zero point is fitted to the rest, and so on.
On small models at 3 bits and below it measures worse than rounding within the best range.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from optlab.messages import Joined, say
from optlab.methods import Parameter, Value
from optlab.quantize.layerwise import FORMAT, LayerwiseQuantizer, group_name

if TYPE_CHECKING:
    from torch import Tensor

    from optlab.context import Context
    from optlab.formats.integer_grid import Grid, Zero
    from optlab.formats.integer_tensor import QuantizedTensor

NORM = 0.7
"""p of the loss |error|^p."""
BETA, GROWTH = 10.0, 1.01
"""Weight of the quadratic term, in units of the group's step, and its growth with every iteration."""

STILL_MOVING = 0.05
"""Share of the groups that must have got better for another iteration."""


class HQQ(LayerwiseQuantizer):
    """Rounding with zero points from the half-quadratic solver."""

    name: ClassVar[str] = "hqq"
    title: ClassVar[str] = "HQQ"
    summary: ClassVar[str] = (
        "Moves each group's zero point so that outliers count less; quick, needs no text. On small models at 3 bits "
        "and fewer it measures worse than rounding."
    )
    source: ClassVar[str] = "Badri and Shaji 2023, Half-Quadratic Quantization (Mobius Labs)"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        *(parameter for parameter in FORMAT if parameter.name in ("bits", "group_size")),
        Parameter(
            "iterations", int, 20, "Iterations",
            "At most how often the zero points are moved; it ends earlier when few groups still get better.",
            minimum=1, maximum=200, step=1, advanced=True,
        ),
    )  # fmt: skip

    @classmethod
    def describe(cls, values: Mapping[str, Value]) -> str:
        bits = say("{method} {bits} bits", method=cls.name, bits=values["bits"])
        return Joined(", ", [bits, group_name(values["group_size"])])

    @classmethod
    def check_together(cls, values: Mapping[str, Value]) -> None:
        """Nothing to check: the zero point is always stored as a number."""

    @property
    def zero(self) -> Zero:
        return "float"

    def quantize(self, W: Tensor, name: str, context: Context) -> QuantizedTensor:
        from optlab.formats.integer_grid import in_groups
        from optlab.formats.integer_tensor import QuantizedTensor

        groups = in_groups(W, self.group_size)
        return QuantizedTensor.of(W, solve(groups, self.bits, int(self.values["iterations"] or 1)), self.group_size)


def solve(groups: Tensor, bits: int, iterations: int) -> Grid:
    """The grid of groups [out, groups, size], float32, with float zeros: steps of the full range, zeros as above."""
    import torch

    from optlab.formats.integer_grid import Grid, minmax, stored

    grid = minmax(groups, bits, "float")
    assert grid.zero_point is not None
    best_low = low = grid.zero_point.float().unsqueeze(-1)
    step = grid.scale.float().unsqueeze(-1)
    safe = torch.where(step == 0, 1.0, step)
    beta, best = BETA, torch.full_like(low, torch.inf)
    for _ in range(iterations):
        codes = ((groups - low) / safe).round_().clamp_(0, (1 << bits) - 1)
        error = groups - codes * step - low
        size = (error / safe).abs_()
        power = size.clamp(min=1e-6).pow_(NORM - 1)  # the one costly operation: |e|^p is |e| times it
        loss = (size * power).mean(-1, keepdim=True)
        better = loss < best
        if float(better.float().mean()) < STILL_MOVING:
            break
        best, best_low = torch.where(better, loss, best), torch.where(better, low, best_low)
        # The proximal step of |e|^p (generalized soft threshold), then the mean of what it leaves unexplained.
        kept = (size - power.div_(beta)).clamp_(min=0).mul_(error.sign()).mul_(safe)
        low = low + (error - kept).mean(-1, keepdim=True)
        beta *= GROWTH
    return Grid(bits, grid.scale, stored(best_low.squeeze(-1), grid.scale.dtype))
