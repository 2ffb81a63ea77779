"""A weight whose codes point into a codebook: w = scale * level[code], one scale per group, 4 bits per code.

The codes of an earlier pruning's zeros are left out, with one bit per weight saying where they are, where that is
smaller, as in `QuantizedTensor`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from optlab.bitmask import pack_bits, unpack_bits
from optlab.errors import ModelError
from optlab.quantize.codebooks import BITS, levels, nearest
from optlab.quantize.grid import in_groups, stored
from optlab.quantize.packing import pack, unpack, words_per_row


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
        """How the codes are written: "bitmask" without those of zeros, else the codebook's name."""
        return "bitmask" if self.pruned and self._code_bytes(True) < self._code_bytes(False) else self.book

    @property
    def _zero(self) -> int:
        """The code of 0."""
        return int((levels(self.book) == 0).nonzero()[0])

    def _code_bytes(self, without_zeros: bool) -> int:
        rows, columns = self.shape
        if not without_zeros:
            return 4 * rows * words_per_row(columns, BITS)
        return -(-rows * columns // 8) + 4 * words_per_row(int((self.codes != self._zero).sum()), BITS)

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
        if self.form != "bitmask":
            return {"weight_packed": pack(codes, BITS), "weight_scale": scale}
        kept = codes != self._zero
        packed = pack(codes[kept].unsqueeze(0), BITS)
        return {"weight_bitmask": pack_bits(kept), "weight_packed": packed, "weight_scale": scale}

    def meta(self) -> dict[str, Any]:
        """What a reader must know besides the parts; plain JSON."""
        return {
            "kind": self.KIND,
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
            tensor = replace(tensor, codes=tensor._read_codes(parts, rows, columns))
            groups = columns // (size or columns)
            levels(tensor.book)
            if tensor.shape != (rows, columns) or scale.shape != (rows, groups) or columns % groups:
                raise ValueError("shapes differ")
        except (KeyError, ValueError, TypeError, RuntimeError, ZeroDivisionError) as error:
            raise ModelError(f"a quantized weight is damaged ({error}); make the artefact again") from None
        return tensor

    def _read_codes(self, parts: Mapping[str, Tensor], rows: int, columns: int) -> Tensor:
        if "weight_bitmask" not in parts:
            return unpack(parts["weight_packed"], BITS, columns)
        kept = unpack_bits(parts["weight_bitmask"], rows * columns).view(rows, columns)
        codes = torch.full((rows, columns), self._zero, dtype=torch.uint8)
        codes[kept] = unpack(parts["weight_packed"], BITS, int(kept.sum()))[0]
        return codes

    def stored_bits(self) -> int:
        """Bits of codes, scales and bitmask as they are written."""
        return 8 * (self._code_bytes(self.form == "bitmask") + self.scale.numel() * self.scale.element_size())
