"""A weight whose codes point into a codebook: w = scale * level[code], one scale per group, 4 bits per code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from optlab.errors import ModelError
from optlab.quantize.codebooks import BITS, levels, nearest
from optlab.quantize.grid import CLIP_FACTORS, in_groups, stored
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
    def of(cls, W: Tensor, book: str, group_size: int | None, search: bool = False) -> CodebookTensor:
        """W [out, in] float32 rounded to the nearest levels. The scale is the largest |w| of the group, or, with
        search, the fraction of it (`grid.CLIP_FACTORS`) that leaves the least squared error."""
        groups = in_groups(W, group_size)
        largest = groups.abs().amax(-1)
        scale = stored(largest)
        if search:
            best = torch.full_like(largest, torch.inf)
            for factor in CLIP_FACTORS.tolist():
                narrower = stored(largest * factor, scale.dtype)
                found = levels(book).to(W.device)[_codes(groups, narrower, book).long()] * narrower.float().unsqueeze(-1)
                error = (found - groups).square_().sum(-1)
                scale = torch.where(error < best, narrower, scale)
                best = torch.minimum(error, best)
        return cls(_codes(groups, scale, book).flatten(1), scale, book, group_size)

    @property
    def shape(self) -> tuple[int, int]:
        return self.codes.shape[0], self.codes.shape[1]

    @property
    def form(self) -> str:
        """How it is written: packed codes of this codebook."""
        return self.book

    def dequantize(self) -> Tensor:
        """The weight, float32 [out, in]."""
        values = levels(self.book).to(self.codes.device)[self.codes.long()]
        return (in_groups(values, self.group_size) * self.scale.float().unsqueeze(-1)).flatten(1)

    def with_zeros(self, mask: Tensor) -> CodebookTensor:
        """The same with the weights where `mask` [out, in] is true set to exactly 0."""
        zero = int((levels(self.book) == 0).nonzero()[0])
        return replace(self, codes=self.codes.masked_fill(mask, zero), pruned=True)

    def parts(self) -> dict[str, Tensor]:
        """The tensors of the file by their suffix, on the CPU."""
        return {"weight_packed": pack(self.codes.cpu(), BITS), "weight_scale": self.scale.cpu().contiguous()}

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
            codes, scale = unpack(parts["weight_packed"], BITS, columns), parts["weight_scale"]
            levels(meta["book"])
            if codes.shape[0] != rows or scale.shape != (rows, columns // (size or columns)) or columns % (size or 1):
                raise ValueError("shapes differ")
        except (KeyError, ValueError, TypeError, RuntimeError, ZeroDivisionError) as error:
            raise ModelError(f"a quantized weight is damaged ({error}); make the artefact again") from None
        return cls(codes, scale, meta["book"], size, bool(meta["pruned"]))

    def stored_bits(self) -> int:
        """Bits of codes and scales as they are written."""
        rows, columns = self.shape
        return 32 * rows * words_per_row(columns, BITS) + 8 * self.scale.numel() * self.scale.element_size()


def _codes(groups: Tensor, scale: Tensor, book: str) -> Tensor:
    step = scale.float().unsqueeze(-1)
    return nearest(groups / torch.where(step == 0, 1.0, step), book)
