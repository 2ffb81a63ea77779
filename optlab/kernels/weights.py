"""One weight on its way into a kernel: what is stored, and its numbers as every kernel sees them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from optlab.formats.integer_tensor import QuantizedTensor
from optlab.formats.linear_format import LinearFormat
from optlab.models.inputs import InputFormat

HALF_PRECISION = 1e-3
"""Largest relative error with which float16 may hold a scale."""


@dataclass(frozen=True)
class Affine:
    """A quantized weight as every kernel sees it: w = scale * code + offset. codes uint8 [out, in]; the others float32
    [out, groups]."""

    codes: Tensor
    scale: Tensor
    offset: Tensor
    bits: int

    @classmethod
    def of(cls, stored: QuantizedTensor) -> Affine:
        scale = stored.scale.float()
        if stored.zero == "float" and stored.zero_point is not None:
            offset = stored.zero_point.float()
        else:
            offset = -stored.grid.zero_code() * scale
        return cls(stored.codes, scale, offset, stored.bits)

    @property
    def group(self) -> int:
        return self.codes.shape[1] // self.scale.shape[1]

    def stack(self, other: Affine) -> Affine:
        """Both weights one above the other. The groups must be equal."""
        codes, scale, offset = (torch.cat(pair) for pair in zip(self.tensors(), other.tensors(), strict=True))
        return Affine(codes, scale, offset, max(self.bits, other.bits))

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.codes, self.scale, self.offset


@dataclass(frozen=True)
class Source:
    """One weight to be packed: its values [out, in] (float), its bias, how it is stored (None = dense), and how the
    layer rounds what it reads (None = not)."""

    weight: Tensor
    bias: Tensor | None
    stored: QuantizedTensor | None
    inputs: InputFormat | None = None

    def values(self) -> Tensor:
        """[out, in] float; from what is stored: `weight` of a hollow model (`load_artefact`) is only a shape."""
        return self.weight.detach() if self.stored is None else self.stored.dequantize()

    @property
    def format(self) -> LinearFormat:
        """What decides which kernel multiplies it."""
        activation_bits = None if self.inputs is None else self.inputs.bits
        if self.stored is None:
            return LinearFormat(self.weight.shape[1], activation_bits=activation_bits)
        scale = self.stored.scale.float()
        exact = bool(((scale.half().float() - scale).abs() <= HALF_PRECISION * scale.abs()).all())
        return LinearFormat(
            self.stored.shape[1], self.stored.bits, self.stored.group_size, self.stored.zero == "none",
            activation_bits, exact,
        )  # fmt: skip
