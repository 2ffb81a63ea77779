"""Rounding to nearest: every weight goes to the closest level of its group's grid. No text is needed.

The yardstick that every other method has to beat, and lossless for practical purposes at 8 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from optlab.methods import Parameter, Probed
from optlab.quantize.layerwise import FORMAT, LayerwiseQuantizer

if TYPE_CHECKING:
    from torch import Tensor

    from optlab.context import Context
    from optlab.formats.integer_tensor import QuantizedTensor


class RTN(LayerwiseQuantizer):
    """Round to nearest, over the full range of a group or over the range with the least squared error."""

    name: ClassVar[str] = "rtn"
    title: ClassVar[str] = "Rounding"
    summary: ClassVar[str] = "Rounds every weight to the nearest value of its group's grid; instant, needs no text."
    source: ClassVar[str] = "Jacob et al. 2017, arXiv 1712.05877; clipping search as in Nagel et al., arXiv 2106.08295"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        *FORMAT,
        Parameter(
            "clip", str, "minmax", "Range",
            "'minmax' covers every weight of a group; 'mse' searches the narrower range with the least squared error "
            "of the weights, which need not be the least harm: large weights often meet large inputs.",
            choices=("minmax", "mse"), advanced=True,
        ),
    )  # fmt: skip
    # 5 and 7 bits lie half-way between their neighbours on a log scale, to one part in fifty.
    probed: ClassVar[tuple[Probed, ...]] = (
        Probed((2, 3, 4, 6, 8), groups="every"),
        Probed((2, 3, 4, 6, 8), groups="usual and row", changed=(("symmetric", True),)),
    )

    def quantize(self, W: Tensor, name: str, context: Context) -> QuantizedTensor:
        from optlab.formats.integer_grid import best_clip, in_groups, minmax
        from optlab.formats.integer_tensor import QuantizedTensor

        choose = best_clip if self.values["clip"] == "mse" else minmax
        return QuantizedTensor.of(W, choose(in_groups(W, self.group_size), self.bits, self.zero), self.group_size)
