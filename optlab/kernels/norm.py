"""The norm of a block as runtimes apply it: RMS or layer norm, or none."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass
class Norm:
    """A norm with its weight as it multiplies, offset included. weight None: what is read stays as it is."""

    weight: Tensor | None
    bias: Tensor | None
    eps: float
    centred: bool

    @classmethod
    def of(cls, module: nn.Module | None, dtype: torch.dtype) -> Norm:
        weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
        if not isinstance(weight, Tensor):
            return cls(None, None, 0.0, False)
        centred = isinstance(module, nn.LayerNorm)
        multiplied = (weight.detach().float() + getattr(module, "offset", 0.0)).to(dtype)
        added = None if bias is None else bias.detach().to(dtype)
        return cls(multiplied, added, float(getattr(module, "eps")), centred)  # noqa: B009

    def __call__(self, x: Tensor) -> Tensor:
        if self.weight is None:
            return x
        if self.centred:
            return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)
