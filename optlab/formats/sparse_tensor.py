"""A weight with zeros, stored as cheaply as it can be: as it is, with a bitmask, as rows of positions, or packed.

`optlab.zeros` has the forms and their bytes; ties go to the form named first there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from optlab.errors import ModelError
from optlab.files import JsonObject
from optlab.formats.sparse import positions
from optlab.formats.sparse.sizes import Form, byte_costs, cheapest


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
        fits = positions.fits(self.values != 0)
        return byte_costs(*self.shape, self.nonzeros, self.values.element_size(), fits)

    @property
    def form(self) -> Form:
        """The cheapest form of storage."""
        return cheapest(self.costs)

    def dequantize(self) -> Tensor:
        """The weight, float32 [out, in]."""
        return self.values.float()

    def parts(self) -> dict[str, Tensor]:
        """The tensors of the file by their suffix, on the CPU."""
        values = self.values.cpu()
        if self.form == "dense":
            return {"weight": values.contiguous()}
        # -0.0 counts as zero and comes back as 0.
        parts, kept = positions.write(values != 0, self.form)
        return {**parts, "weight_values": values[kept]}

    def meta(self) -> JsonObject:
        """What a reader must know besides the parts; plain JSON."""
        return {"kind": self.KIND, "form": self.form, "shape": list(self.shape)}

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], parts: Mapping[str, Tensor]) -> SparseTensor:
        """Reverse of `parts`. Raises ModelError when they do not fit together."""
        try:
            rows, columns = (int(n) for n in meta["shape"])
            if meta["form"] == "dense":
                return cls(parts["weight"].reshape(rows, columns))
            values = torch.zeros(rows, columns, dtype=parts["weight_values"].dtype)
            values[positions.read(meta["form"], parts, rows, columns)] = parts["weight_values"]
        except (KeyError, ValueError, TypeError, RuntimeError, IndexError) as error:
            raise ModelError("a sparse weight is damaged ({error}); make the artefact again", error=error) from None
        return cls(values)

    def stored_bits(self) -> int:
        """Bits of the cheapest form, positions included."""
        return 8 * min(self.costs.values())
