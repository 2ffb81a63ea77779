"""Float weights behind rounded ones: what quantization-aware training moves, while the model computes with the rounded.

Rounding has no useful gradient, so it is taken as the identity: the gradient at the rounded weight is applied to the
float weight behind it (the straight-through estimator; Bengio et al., arXiv 1308.3432, section 4). A weight that its
grid cuts off gets no gradient, because moving it changes nothing (Esser et al., LSQ, arXiv 1902.08153, equation 5
without the step). Each group's range follows its weights: the same share of their full range at every step, found
once by the search for the least squared error.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from optlab.formats.integer_grid import Grid, Zero, best_clip, fit, in_groups, minmax
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.models.language_model import LanguageModel
from optlab.models.optimizer import AdamW
from optlab.models.structure import is_conv1d


@dataclass
class Shadow:
    """The float weight of one layer. W: float32 [out, in]; share: [out, groups], of the full range that is used."""

    W: Tensor
    share: Tensor
    bits: int
    zero: Zero
    group_size: int | None

    @classmethod
    def of(cls, W: Tensor, bits: int, zero: Zero, group_size: int | None, search: bool) -> Shadow:
        """W [out, in] float32; search: whether to look for narrower ranges than the full one."""
        groups = in_groups(W, group_size)
        full = minmax(groups, bits, zero).scale.float()
        used = best_clip(groups, bits, zero).scale.float() if search else full
        share = torch.where(full > 0, used / torch.where(full > 0, full, 1.0), 1.0).clamp_(max=1.0)
        return cls(W.clone(), share, bits, zero, group_size)

    def grid(self) -> Grid:
        """The grid of the weights as they are now; its scale is [out, groups]."""
        low, high = in_groups(self.W, self.group_size).aminmax(dim=-1)
        return fit(low * self.share, high * self.share, self.bits, self.zero)

    def rounded(self, grid: Grid | None = None) -> QuantizedTensor:
        """The weight as it would be stored now. grid: where `grid()` is known already."""
        return QuantizedTensor.of(self.W, grid or self.grid(), self.group_size)

    def cut_off(self, grid: Grid | None = None) -> Tensor:
        """Whether a weight lies beyond the outermost level of its group by more than half a step: bool [out, in]."""
        grid = (grid or self.grid()).unsqueeze()
        codes = torch.tensor([0.0, (1 << self.bits) - 1.0], device=self.W.device)
        ends = grid.decode(codes.expand(*self.share.shape, 2))
        half, groups = grid.scale.float() / 2, in_groups(self.W, self.group_size)
        return ((groups < ends[..., :1] - half) | (groups > ends[..., 1:] + half)).flatten(1)


class StraightThrough(AdamW):
    """AdamW on the float weights of some layers of a model that computes with their rounded values.

    Call `round` before every forward pass; `step` puts the float weights back and moves them.
    """

    def __init__(self, model: LanguageModel, shadows: dict[str, Shadow], learning_rate: float) -> None:
        self.model, self.shadows = model, shadows
        self.grids: dict[str, Grid] = {}
        self.weights = {name: model.module_named(name).get_parameter("weight") for name in shadows}
        super().__init__(self.weights.values(), learning_rate, weight_decay=0.0)

    def round(self) -> None:
        """Let the model compute with the rounded weights."""
        self.grids = {name: shadow.grid() for name, shadow in self.shadows.items()}
        for name, shadow in self.shadows.items():
            self.model.set_weight(name, shadow.rounded(self.grids[name]).dequantize())

    @torch.no_grad()
    def step(self, learning_rate: float | None = None) -> None:
        """One update of the float weights by the gradients at the rounded ones, which are then dropped."""
        for name, shadow in self.shadows.items():
            weight = self.weights[name]
            if weight.grad is not None:
                cut = shadow.cut_off(self.grids[name])
                weight.grad.masked_fill_(cut.T if is_conv1d(self.model.module_named(name)) else cut, 0.0)
        self.restore()
        super().step(learning_rate)
        for name, shadow in self.shadows.items():
            shadow.W.copy_(self.model.weight(name))

    def restore(self) -> None:
        """Put the float weights back into the model."""
        for name, shadow in self.shadows.items():
            self.model.set_weight(name, shadow.W)
