"""A quantized weight: its codes, scales and zeros, and the exact bytes they take in a file.

What `dequantize` returns is what is evaluated, and what comes back from disk: there is no other copy of the weight.
A weight that was also pruned leaves out the codes of its zeros and says where they are (`optlab.zeros`), in whichever
form is smallest: with one bit per weight from a share of 1 / bits of zeros on, or by groups in an N:M pattern.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from optlab.errors import ModelError, RecipeError
from optlab.files import JsonObject
from optlab.formats.integer_grid import Grid, Zero, in_groups
from optlab.formats.packing import pack, unpack, words_per_row
from optlab.formats.sparse import positions
from optlab.formats.sparse.sizes import Form, byte_costs, cheapest


@dataclass(frozen=True)
class QuantizedTensor:
    """codes: uint8 [out, in]; scale: float16 or bfloat16 [out, groups]; zero_point: uint8 or float [out, groups], or
    None (symmetric); see `optlab.formats.integer_grid`. group_size: weights that share a scale, None = a
    whole row. pruned: whether a pruning step put zeros into it."""

    KIND: ClassVar[str] = "quantized"

    codes: Tensor
    scale: Tensor
    zero_point: Tensor | None
    bits: int
    group_size: int | None
    pruned: bool = False

    @classmethod
    def of(cls, W: Tensor, grid: Grid, group_size: int | None) -> QuantizedTensor:
        """W [out, in] float32 rounded to `grid`, whose scale is [out, groups]."""
        codes = grid.unsqueeze().encode(in_groups(W, group_size)).flatten(1)
        return cls(codes, grid.scale, grid.zero_point, grid.bits, group_size)

    @property
    def grid(self) -> Grid:
        return Grid(self.bits, self.scale, self.zero_point)

    @property
    def shape(self) -> tuple[int, int]:
        return self.codes.shape[0], self.codes.shape[1]

    @property
    def zero(self) -> Zero:
        """How code 0 gets its number: "none" (symmetric), "integer" or "float"."""
        if self.zero_point is None:
            return "none"
        return "float" if self.zero_point.is_floating_point() else "integer"

    def dequantize(self) -> Tensor:
        """The weight, float32 [out, in], without any rounding after the codes."""
        return self.grid.unsqueeze().decode(in_groups(self.codes, self.group_size)).flatten(1)

    def split(self, rows: list[int]) -> list[QuantizedTensor]:
        """The same as tensors of so many rows, from the top; `rows` add up to all."""
        points = self.zero_point
        zero_points = [None] * len(rows) if points is None else list(points.split(rows))
        return [
            replace(self, codes=codes.contiguous(), scale=scale.contiguous(), zero_point=zero)
            for codes, scale, zero in zip(self.codes.split(rows), self.scale.split(rows), zero_points, strict=True)
        ]

    def with_zeros(self, mask: Tensor) -> QuantizedTensor:
        """The same with the weights where `mask` [out, in] is true set to exactly 0.

        Raises RecipeError for a float zero point, whose levels need not hold 0.
        """
        if self.zero == "float":
            raise RecipeError("a float zero_point has no level for 0, so pruned weights would come back; use integer")
        zero = self.zero_code().to(torch.uint8)
        return replace(self, codes=torch.where(mask, zero, self.codes), pruned=True)

    def zero_code(self, columns: int | None = None) -> Tensor:
        """The code of 0 for every weight, float32 [out, in] (symmetric or integer zero). columns: in, default own."""
        code = torch.as_tensor(self.grid.zero_code(), device=self.scale.device).expand(self.scale.shape)
        return code.repeat_interleave((columns or self.shape[1]) // self.scale.shape[1], dim=1)

    @property
    def form(self) -> Literal["codes"] | Form:
        """How the codes are written. Other programs read only "codes", so nothing but pruning leaves it."""
        form = cheapest(self.costs)
        return "codes" if form == "dense" else form

    @cached_property
    def costs(self) -> dict[Form, int]:
        """Bytes of the codes in every form that can hold them; "dense" is all of them in rows."""
        rows, columns = self.shape
        if not self.pruned:
            return {"dense": 4 * rows * words_per_row(columns, self.bits)}
        there = self._nonzero()
        return byte_costs(
            rows, columns, int(there.sum()), self.bits / 8, positions.fits(there),
            lambda count: 4 * words_per_row(count, self.bits),
        )  # fmt: skip

    def _nonzero(self) -> Tensor:
        """Where codes stand for something else than 0, bool [out, in]."""
        return self.codes != self.zero_code()

    def parts(self) -> dict[str, Tensor]:
        """The tensors of the file by their suffix, on the CPU, in compressed-tensors' names.

        `weight_minimum` and those that say where codes are left out are ours: that format has neither.
        """
        codes, parts = self.codes.cpu(), {"weight_scale": self.scale.cpu().contiguous()}
        if self.form == "codes":
            parts["weight_packed"] = pack(codes, self.bits)
        else:
            places, kept = positions.write(self._nonzero(), cheapest(self.costs))
            parts |= {**places, "weight_packed": pack(codes[kept].unsqueeze(0), self.bits)}
        if self.zero_point is not None and self.zero == "integer":
            # That library packs zero points down the columns.
            parts["weight_zero_point"] = pack(self.zero_point.cpu().T.contiguous(), self.bits).T.contiguous()
        elif self.zero_point is not None:
            parts["weight_minimum"] = self.zero_point.cpu().contiguous()
        return parts

    def meta(self) -> JsonObject:
        """What a reader must know besides the parts; plain JSON."""
        return {
            "kind": self.KIND,
            "form": self.form,
            "bits": self.bits,
            "group_size": self.group_size,
            "pruned": self.pruned,
            "shape": list(self.shape),
        }

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], parts: Mapping[str, Tensor]) -> QuantizedTensor:
        """Reverse of `parts`. Raises ModelError when they do not fit together."""
        try:
            bits, size, (rows, columns) = int(meta["bits"]), meta["group_size"], (int(n) for n in meta["shape"])
            if not 2 <= bits <= 8 or (size is not None and columns % int(size)):
                raise ValueError(f"{bits} bits in groups of {size}")
            scale, zero_point = parts["weight_scale"], parts.get("weight_minimum")
            if "weight_zero_point" in parts:
                zero_point = unpack(parts["weight_zero_point"].T.contiguous(), bits, rows).T.contiguous()
            groups = columns // (size or columns)
            if any(part.shape != (rows, groups) for part in (scale, zero_point) if part is not None):
                raise ValueError("shapes differ")
            tensor = cls(torch.empty(0, dtype=torch.uint8), scale, zero_point, bits, size, bool(meta["pruned"]))
            tensor = replace(tensor, codes=tensor._read_codes(meta["form"], parts, rows, columns))
        except (KeyError, ValueError, TypeError, RuntimeError, IndexError) as error:
            raise ModelError("a quantized weight is damaged ({error}); make the artefact again", error=error) from None
        return tensor

    def _read_codes(self, form: str, parts: Mapping[str, Tensor], rows: int, columns: int) -> Tensor:
        if form == "codes":
            codes = unpack(parts["weight_packed"], self.bits, columns)
            if codes.shape[0] != rows:
                raise ValueError("rows differ")
            return codes
        kept = positions.read(form, parts, rows, columns)
        codes = self.zero_code(columns).to(torch.uint8)
        codes[kept] = unpack(parts["weight_packed"], self.bits, int(kept.sum()))[0]
        return codes

    def stored_bits(self) -> int:
        """Bits of codes, scales, zeros and positions as they are written."""
        scales = self.scale.numel() * self.scale.element_size()
        if self.zero == "integer":
            scales += 4 * words_per_row(self.scale.shape[0], self.bits) * self.scale.shape[1]
        elif self.zero_point is not None:
            scales += self.zero_point.numel() * self.zero_point.element_size()
        return 8 * (min(self.costs.values()) + scales)
