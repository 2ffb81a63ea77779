"""A weight with zeros, stored as cheaply as it can be: as it is, as a bitmask and values, or as rows of positions.

With n weights of b bytes in r rows and c columns, of which k are not zero:

    dense     n * b                                        zeros stored as numbers save nothing
    bitmask   ceil(n / 8) + k * b                          cheaper once 1 / (8 b) of the weights are 0
    csr       4 (r + 1) + k * (2 + b), or (4 + b) when c > 65536     cheaper than a bitmask below one weight in 16

Ties go to the form named first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from optlab.bitmask import pack_bits, unpack_bits
from optlab.errors import ModelError

Form = Literal["dense", "bitmask", "csr"]
NARROW = 1 << 16
"""Rows up to this long have column numbers of 16 bits."""


def byte_costs(rows: int, columns: int, nonzeros: int, itemsize: int) -> dict[Form, int]:
    """Bytes of each form of storage."""
    position = 2 if columns <= NARROW else 4
    return {
        "dense": rows * columns * itemsize,
        "bitmask": -(-rows * columns // 8) + nonzeros * itemsize,
        "csr": 4 * (rows + 1) + nonzeros * (position + itemsize),
    }


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

    @property
    def form(self) -> Form:
        """The cheapest form of storage."""
        costs = byte_costs(*self.shape, self.nonzeros, self.values.element_size())
        return min(costs, key=lambda form: costs[form])

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
        costs = byte_costs(*self.shape, self.nonzeros, self.values.element_size())
        return 8 * min(costs.values())
