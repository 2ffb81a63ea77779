"""A weight with zeros, stored as cheaply as it can be: as it is, with a bitmask, as rows of positions, or packed.

`optlab.prune.sizes` gives the bytes of each form; ties go to the form named first there. Packed (2:4, 4:8): of every M
neighbours N values are stored, and which N they are is one digit (`ranks`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations
from typing import Any, ClassVar

import torch
from torch import Tensor

from optlab.bitmask import pack_bits, unpack_bits
from optlab.errors import ModelError
from optlab.prune.pattern import FINE
from optlab.prune.sizes import NARROW, Form, byte_costs, digits_per_word


@dataclass(frozen=True)
class SparseTensor:
    """values: [out, in] with exact zeros, in the dtype in which it is stored (that of the checkpoint)."""

    KIND: ClassVar[str] = "sparse"

    values: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        return self.values.shape[0], self.values.shape[1]

    @property
    def nonzeros(self) -> int:
        return int(torch.count_nonzero(self.values))

    @cached_property
    def costs(self) -> dict[Form, int]:
        """Bytes of every form that can hold this weight."""
        fits = tuple(pattern for pattern in FINE if _obeys(self.values, pattern))
        return byte_costs(*self.shape, self.nonzeros, self.values.element_size(), fits)

    @property
    def form(self) -> Form:
        """The cheapest form of storage."""
        return min(self.costs, key=lambda form: self.costs[form])

    def dequantize(self) -> Tensor:
        """The weight, float32 [out, in]."""
        return self.values.float()

    def parts(self) -> dict[str, Tensor]:
        """The tensors of the file by their suffix, on the CPU."""
        # -0.0 counts as zero and comes back as 0.
        values = self.values.cpu()
        mask, form = values != 0, self.form
        if form == "dense":
            return {"weight": values.contiguous()}
        if form in FINE:
            kept = _exactly_n(mask, form)
            return {"weight_places": _packed(kept, form), "weight_values": values[kept]}
        if form == "bitmask":
            return {"weight_bitmask": pack_bits(mask), "weight_values": values[mask]}
        starts = torch.zeros(self.shape[0] + 1, dtype=torch.int32)
        starts[1:] = mask.sum(1).cumsum(0)
        columns = mask.nonzero()[:, 1].to(torch.uint16 if self.shape[1] <= NARROW else torch.int32)
        return {"weight_rows": starts, "weight_columns": columns, "weight_values": values[mask]}

    def meta(self) -> dict[str, Any]:
        """What a reader must know besides the parts; plain JSON."""
        return {"kind": self.KIND, "form": self.form, "shape": list(self.shape)}

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], parts: Mapping[str, Tensor]) -> SparseTensor:
        """Reverse of `parts`. Raises ModelError when they do not fit together."""
        try:
            rows, columns = (int(n) for n in meta["shape"])
            if meta["form"] == "dense":
                return cls(parts["weight"].reshape(rows, columns))
            if meta["form"] == "bitmask":
                mask = unpack_bits(parts["weight_bitmask"], rows * columns).view(rows, columns)
            elif meta["form"] in FINE:
                mask = _unpacked(parts["weight_places"], meta["form"], rows, columns)
            else:
                counts = parts["weight_rows"].diff().long()
                mask = torch.zeros(rows, columns, dtype=torch.bool)
                mask[torch.arange(rows).repeat_interleave(counts), parts["weight_columns"].to(torch.int64)] = True
            values = torch.zeros(rows, columns, dtype=parts["weight_values"].dtype)
            values[mask] = parts["weight_values"]
        except (KeyError, ValueError, TypeError, RuntimeError, IndexError) as error:
            raise ModelError(f"a sparse weight is damaged ({error}); make the artefact again") from None
        return cls(values)

    def stored_bits(self) -> int:
        """Bits of the cheapest form, positions included."""
        return 8 * min(self.costs.values())


def _obeys(values: Tensor, pattern: str) -> bool:
    """Whether at most N of every M neighbours are not zero."""
    kept, of = FINE[pattern]
    if values.shape[1] % of:
        return False
    return int((values != 0).reshape(-1, of).sum(1).amax()) <= kept if values.numel() else False


def _exactly_n(mask: Tensor, pattern: str) -> Tensor:
    """`mask` [out, in] with further zeros counted in, so that each group of M has N true."""
    kept, of = FINE[pattern]
    first = mask.reshape(-1, of).to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :kept]
    return torch.zeros(len(first), of, dtype=torch.bool).scatter_(1, first, True).view(mask.shape)


@cache
def _choices(pattern: str) -> tuple[tuple[int, ...], ...]:
    """All choices of N places out of M; the number of a choice is its digit in the file."""
    kept, of = FINE[pattern]
    return tuple(combinations(range(of), kept))


def _packed(mask: Tensor, pattern: str) -> Tensor:
    """mask [out, in] with N of every M true -> int64 words of digits, the first group in the lowest."""
    _, of = FINE[pattern]
    bits = 1 << torch.arange(of)
    digit_of = torch.zeros(1 << of, dtype=torch.int64)
    for digit, places in enumerate(_choices(pattern)):
        digit_of[sum(1 << place for place in places)] = digit
    digits, size = digit_of[(mask.reshape(-1, of) * bits).sum(1)], digits_per_word(pattern)
    digits = torch.nn.functional.pad(digits, (0, -len(digits) % size)).view(-1, size)
    return (digits * _powers(pattern)).sum(1)


def _unpacked(words: Tensor, pattern: str, rows: int, columns: int) -> Tensor:
    """Reverse of `_packed`. Raises ValueError when the words are not those of such a weight."""
    _, of = FINE[pattern]
    groups, choices = rows * columns // of, _choices(pattern)
    if len(words) != -(-groups // digits_per_word(pattern)) or words.dtype != torch.int64:
        raise ValueError(f"{len(words)} words cannot place {groups} groups")
    digits = (words.unsqueeze(1) // _powers(pattern) % len(choices)).flatten()[:groups]
    mask = torch.zeros(groups, of, dtype=torch.bool).scatter_(1, torch.tensor(choices)[digits], True)
    return mask.view(rows, columns)


def _powers(pattern: str) -> Tensor:
    return len(_choices(pattern)) ** torch.arange(digits_per_word(pattern), dtype=torch.int64)
