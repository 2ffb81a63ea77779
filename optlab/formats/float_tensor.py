"""A weight of floating-point numbers narrower than the checkpoint's: float16, bfloat16, or float8 with scales.

16-bit weights are written like any other tensor. A float8 (E4M3: 4 exponent and 3 mantissa bits, largest number 448)
has too little range for weights, so it is stored with a scale: one for all, one per row, or one per group. The zeros of
an earlier pruning are left out where that is smaller, as in `QuantizedTensor`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from optlab.errors import ModelError
from optlab.files import JsonObject
from optlab.formats.integer_grid import stored
from optlab.formats.sparse import positions
from optlab.formats.sparse.sizes import Form, byte_costs, cheapest

E4M3 = torch.float8_e4m3fn
FORMATS = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float8_e4m3": E4M3}
NAMES = {dtype: name for name, dtype in FORMATS.items()}


@dataclass(frozen=True)
class FloatTensor:
    """values: [out, in] in one of FORMATS; scale: float16 or bfloat16 [out or 1, groups] for float8, else None.
    pruned: whether a pruning step put zeros into it."""

    KIND: ClassVar[str] = "float"

    values: Tensor
    scale: Tensor | None = None
    pruned: bool = False

    @classmethod
    def scaled(cls, W: Tensor, rows: int, groups: int) -> FloatTensor:
        """W [out, in] float32 as float8. rows: of the scale, `out` or 1 (one for all rows); groups: scales per row.

        The scale takes the largest |w| that shares it to 448, the largest float8 (Micikevicius et al.,
        arXiv 2209.05433).
        """
        blocks = W.reshape(rows, groups, -1)
        limit = torch.finfo(E4M3).max
        scale = stored(blocks.abs().amax(-1) / limit)
        scale = torch.where(scale == 0, torch.ones_like(scale), scale)
        # A scale that was rounded down would lead past the largest float8, which torch turns into NaN.
        values = (blocks / scale.float().unsqueeze(-1)).clamp_(-limit, limit).to(E4M3)
        return cls(values.reshape(W.shape), scale)

    @property
    def shape(self) -> tuple[int, int]:
        return self.values.shape[0], self.values.shape[1]

    @property
    def form(self) -> str:
        """How the numbers are written: "dense" like any other tensor, the format with scales, or without zeros."""
        form = cheapest(self.costs)
        return form if form != "dense" or self.scale is None else NAMES[self.values.dtype]

    @cached_property
    def costs(self) -> dict[Form, int]:
        """Bytes of the numbers in every form that can hold them."""
        size = self.values.element_size()
        if not self.pruned:
            return {"dense": self.values.numel() * size}
        there = self.values.float() != 0
        return byte_costs(*self.shape, int(there.sum()), size, positions.fits(there))

    def dequantize(self) -> Tensor:
        """The weight, float32 [out, in], without any rounding after the cast."""
        values = self.values.float()
        if self.scale is None:
            return values
        rows, groups = self.scale.shape
        return (values.reshape(rows, groups, -1) * self.scale.float().unsqueeze(-1)).reshape(values.shape)

    def with_zeros(self, mask: Tensor) -> FloatTensor:
        """The same with the weights where `mask` [out, in] is true set to exactly 0."""
        values = self.values.float().masked_fill(mask, 0.0).to(self.values.dtype)
        return replace(self, values=values, pruned=True)

    def parts(self) -> dict[str, Tensor]:
        """The tensors of the file by their suffix, on the CPU."""
        values = self.values.cpu().contiguous()
        parts, form = {"weight": values}, cheapest(self.costs)
        if form != "dense":
            places, kept = positions.write(values.float() != 0, form)
            parts = {**places, "weight_values": values[kept]}
        return parts if self.scale is None else {**parts, "weight_scale": self.scale.cpu().contiguous()}

    def meta(self) -> JsonObject:
        """What a reader must know besides the parts; plain JSON."""
        return {
            "kind": self.KIND,
            "form": self.form,
            "format": NAMES[self.values.dtype],
            "pruned": self.pruned,
            "shape": list(self.shape),
        }

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], parts: Mapping[str, Tensor]) -> FloatTensor:
        """Reverse of `parts`. Raises ModelError when they do not fit together."""
        try:
            rows, columns = (int(n) for n in meta["shape"])
            values, scale = _read(meta["form"], parts, rows, columns), parts.get("weight_scale")
            if values.dtype != FORMATS[meta["format"]] or values.shape != (rows, columns):
                raise ValueError("format or shape differs")
            if (values.dtype == E4M3) != (scale is not None):
                raise ValueError("only float8 has a scale, and always one")
            if scale is not None and (scale.shape[0] not in (1, rows) or columns * rows % scale.numel()):
                raise ValueError("shapes differ")
        except (KeyError, ValueError, TypeError, IndexError, RuntimeError) as error:
            raise ModelError(
                "a weight in a narrow format is damaged ({error}); make the artefact again", error=error
            ) from None
        return cls(values, scale, bool(meta["pruned"]))

    def stored_bits(self) -> int:
        """Bits of numbers, scales and positions as they are written."""
        scales = 0 if self.scale is None else self.scale.numel() * self.scale.element_size()
        return 8 * (min(self.costs.values()) + scales)


def _read(form: str, parts: Mapping[str, Tensor], rows: int, columns: int) -> Tensor:
    if form in ("dense", *FORMATS):
        return parts["weight"]
    kept = positions.read(form, parts, rows, columns)
    present = parts["weight_values"]
    if present.numel() != int(kept.sum()):
        raise ValueError("positions and values differ in number")
    # as whole numbers of the same width: torch places those at a mask in every case, float8 only in some
    bits = torch.uint8 if present.element_size() == 1 else torch.int16
    values = torch.zeros(rows, columns, dtype=present.dtype)
    values.view(bits).masked_scatter_(kept, present.view(bits))
    return values
