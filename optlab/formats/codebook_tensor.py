"""A weight whose codes point into a codebook: w = scale * level[code], one scale per group, 4 bits per code.

The codes of an earlier pruning's zeros are left out where that is smaller, as in `QuantizedTensor`.
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
from optlab.formats.codebooks import BITS, levels, nearest
from optlab.formats.integer_grid import in_groups, stored
from optlab.formats.packing import pack, unpack, words_per_row
from optlab.formats.sparse import positions
from optlab.formats.sparse.sizes import Form, byte_costs, cheapest


@dataclass(frozen=True)
class CodebookTensor:
    """codes: uint8 [out, in]; scale: float16 or bfloat16 [out, groups], what level 1 stands for. book: a name in
    `codebooks`. group_size: weights that share a scale, None = a whole row. pruned: whether a pruning step put zeros
    into it."""

    KIND: ClassVar[str] = "codebook"

    codes: Tensor
    scale: Tensor
    book: str
    group_size: int | None
    pruned: bool = False

    @classmethod
    def of(cls, W: Tensor, book: str, group_size: int | None) -> CodebookTensor:
        """W [out, in] float32 rounded to the nearest levels; the scale is the largest |w| of the group."""
        groups = in_groups(W, group_size)
        scale = stored(groups.abs().amax(-1))
        step = scale.float().unsqueeze(-1)
        codes = nearest(groups / torch.where(step == 0, 1.0, step), book)
        return cls(codes.flatten(1), scale, book, group_size)

    @property
    def shape(self) -> tuple[int, int]:
        return self.codes.shape[0], self.codes.shape[1]

    @property
    def form(self) -> str:
        """How the codes are written: all of them by the codebook's name, else a form without those of zeros."""
        form = cheapest(self.costs)
        return self.book if form == "dense" else form

    @property
    def _zero(self) -> int:
        """The code of 0."""
        return int((levels(self.book) == 0).nonzero()[0])

    @cached_property
    def costs(self) -> dict[Form, int]:
        """Bytes of the codes in every form that can hold them; "dense" is all of them in rows."""
        rows, columns = self.shape
        if not self.pruned:
            return {"dense": 4 * rows * words_per_row(columns, BITS)}
        there = self.codes != self._zero
        return byte_costs(
            rows, columns, int(there.sum()), BITS / 8, positions.fits(there),
            lambda count: 4 * words_per_row(count, BITS),
        )  # fmt: skip

    def dequantize(self) -> Tensor:
        """The weight, float32 [out, in]."""
        values = levels(self.book).to(self.codes.device)[self.codes.long()]
        return (in_groups(values, self.group_size) * self.scale.float().unsqueeze(-1)).flatten(1)

    def with_zeros(self, mask: Tensor) -> CodebookTensor:
        """The same with the weights where `mask` [out, in] is true set to exactly 0."""
        return replace(self, codes=self.codes.masked_fill(mask, self._zero), pruned=True)

    def parts(self) -> dict[str, Tensor]:
        """The tensors of the file by their suffix, on the CPU."""
        codes, scale = self.codes.cpu(), self.scale.cpu().contiguous()
        if self.form == self.book:
            return {"weight_packed": pack(codes, BITS), "weight_scale": scale}
        places, kept = positions.write(codes != self._zero, cheapest(self.costs))
        return {**places, "weight_packed": pack(codes[kept].unsqueeze(0), BITS), "weight_scale": scale}

    def meta(self) -> JsonObject:
        """What a reader must know besides the parts; plain JSON."""
        return {
            "kind": self.KIND,
            "form": self.form,
            "book": self.book,
            "group_size": self.group_size,
            "pruned": self.pruned,
            "shape": list(self.shape),
        }

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], parts: Mapping[str, Tensor]) -> CodebookTensor:
        """Reverse of `parts`. Raises ModelError when they do not fit together."""
        try:
            size, (rows, columns) = meta["group_size"], (int(n) for n in meta["shape"])
            scale = parts["weight_scale"]
            tensor = cls(torch.empty(0, dtype=torch.uint8), scale, meta["book"], size, bool(meta["pruned"]))
            tensor = replace(tensor, codes=tensor._read_codes(meta["form"], parts, rows, columns))
            groups = columns // (size or columns)
            levels(tensor.book)
            if tensor.shape != (rows, columns) or scale.shape != (rows, groups) or columns % groups:
                raise ValueError("shapes differ")
        except (KeyError, ValueError, TypeError, RuntimeError, IndexError, ZeroDivisionError) as error:
            raise ModelError("a quantized weight is damaged ({error}); make the artefact again", error=error) from None
        return tensor

    def _read_codes(self, form: str, parts: Mapping[str, Tensor], rows: int, columns: int) -> Tensor:
        if form == self.book:
            return unpack(parts["weight_packed"], BITS, columns)
        kept = positions.read(form, parts, rows, columns)
        codes = torch.full((rows, columns), self._zero, dtype=torch.uint8)
        codes[kept] = unpack(parts["weight_packed"], BITS, int(kept.sum()))[0]
        return codes

    def stored_bits(self) -> int:
        """Bits of codes, scales and positions as they are written."""
        return 8 * (min(self.costs.values()) + self.scale.numel() * self.scale.element_size())
