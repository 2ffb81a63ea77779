"""GPTQ: weights are rounded column by column, and the columns still open take back the error of those done.

At 4 bits and fewer this keeps much more of a model than rounding, for seconds of work once the second moments of the
inputs are known (`optlab.calibrate`), which every recipe on the same text shares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from optlab.methods import Parameter
from optlab.quantize.layerwise import FORMAT, LayerwiseQuantizer

if TYPE_CHECKING:
    from torch import Tensor

    from optlab.compress import Context
    from optlab.quantize.tensor import QuantizedTensor


class GPTQ(LayerwiseQuantizer):
    """Rounding with error feedback along the inputs of each layer."""

    name: ClassVar[str] = "gptq"
    title: ClassVar[str] = "GPTQ"
    summary: ClassVar[str] = "Rounds column by column; what is left to round makes up for the error so far."
    source: ClassVar[str] = "Frantar et al. 2022, arXiv 2210.17323; order of groups as in Gafni et al., 2505.14638"
    needs_calibration: ClassVar[bool] = True
    parameters: ClassVar[tuple[Parameter, ...]] = (
        *FORMAT,
        Parameter("order", str, "groups", "Order", "Which column is rounded first.", choices=("given", "groups", "columns"), advanced=True),
        Parameter("damping", float, 0.01, "Damping", "x", minimum=0.0, maximum=1.0, step=0.005, advanced=True),
        Parameter("clip", str, "mse", "Range", "x", choices=("minmax", "mse"), advanced=True),
        Parameter("sequential", bool, False, "Sequential", "x"),
    )  # fmt: skip

    def quantize(self, W: Tensor, name: str, context: Context) -> QuantizedTensor:
        import torch

        from optlab.quantize.grid import Grid, best_clip, in_groups, minmax
        from optlab.quantize.hessian import compensate, factor
        from optlab.quantize.tensor import QuantizedTensor

        stats = context.statistics()
        key = stats.shared_with(name)
        size = self.group_size or W.shape[1]
        if getattr(self, "_key", None) != key:
            H = stats.gram(name)
            d = H.diagonal()
            if self.values["order"] == "columns":
                perm = d.argsort(descending=True)
            elif self.values["order"] == "groups":
                g = d.view(-1, size)
                inner = g.argsort(1, descending=True)
                outer = g.max(1).values.argsort(descending=True)
                perm = (inner + torch.arange(g.shape[0])[:, None] * size)[outer].flatten()
            else:
                perm = torch.arange(W.shape[1])
            self._R = factor(H[perm][:, perm], self.values["damping"])
            self._perm = perm
            self._key = key
        perm = self._perm
        choose = best_clip if self.values["clip"] == "mse" else minmax
        codes = torch.empty(W.shape[1], W.shape[0], dtype=torch.uint8)
        static = choose(in_groups(W, size), self.bits, self.zero)
        grids = {}
        order = self.values["order"]

        def rule_for(begin, expected):
            if order != "columns":
                g = int(perm[begin]) // size
                grids[g] = choose(expected.contiguous(), self.bits, self.zero)

            def rule(i, w):
                j = int(perm[i])
                if order == "columns":
                    k = j // size
                    grid = Grid(self.bits, static.scale[:, k], None if static.zero_point is None else static.zero_point[:, k])
                else:
                    grid = grids[j // size]
                c = grid.encode(w)
                codes[j] = c
                return grid.decode(c)

            return rule

        compensate(W[:, perm], self._R, size, rule_for)
        if order == "columns":
            s, z = static.scale, static.zero_point
        else:
            s = torch.stack([grids[g].scale for g in range(len(grids))], 1)
            z = None if self.zero == "none" else torch.stack([grids[g].zero_point for g in range(len(grids))], 1)
        return QuantizedTensor(codes.T.contiguous(), s, z, self.bits, self.group_size)
