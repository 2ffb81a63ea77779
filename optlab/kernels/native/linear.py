"""Weights as the C++ loop reads them, and the same weights for a whole prompt.

Codes of up to 4 bits are stored as 4, of 5 to 8 as 8; every group size that is a multiple of 32 is read as it is. One
token is multiplied by the loop itself; a prompt is one large multiplication, for which rows are expanded into bfloat16
and handed to torch, so that nothing is stored twice.
"""

from __future__ import annotations

import ctypes

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from optlab.kernels.native.huge_pages import Pages
from optlab.kernels.native.library import Linear, library
from optlab.kernels.rule import BLOCK, NATIVE_ROW, Kernel, kernel_of
from optlab.kernels.weights import Affine, Source

DENSE, INT4, INT8 = 0, 1, 2
KINDS: dict[Kernel, int] = {"dense": DENSE, "int4": INT4, "int8": INT8, "int8x8": INT8}
"""rows.h, Kind. What a prompt multiplies as whole numbers, one token multiplies as int8 codes by floats."""


class NativeLinear(nn.Module):
    """One weight [out, in] in memory that the C++ loop may read. The module owns what `struct` points to."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.outputs, self.inputs = source.weight.shape
        self.format = source.format
        self.kernel = kernel_of(self.format, "native")
        self.kind, self.group = KINDS[self.kernel], self.inputs
        self.bias = None if source.bias is None else source.bias.detach().float().contiguous()
        self.scale: Tensor | None = None
        self.offset: Tensor | None = None
        if self.kind == DENSE:
            self.weight = source.values().to(torch.bfloat16).contiguous()
        else:
            assert source.stored is not None
            self._quantized(Affine.of(source.stored))
        self.struct = Linear(
            self.kind, self.outputs, self.inputs, self.group, self.weight.data_ptr(), *map(_pointer, self._tables()),
            *((0, 0.0) if source.inputs is None else (source.inputs.largest, source.inputs.scale or 0.0)),
        )  # fmt: skip

    @property
    def bytes(self) -> int:
        """What one token reads of it."""
        return sum(t.numel() * t.element_size() for t in (self.weight, *self._tables()) if t is not None)

    def _tables(self) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        return self.scale, self.offset, self.bias

    def _quantized(self, weight: Affine) -> None:
        self.group = weight.group
        middle = 1 << (weight.bits - 1)
        offset = weight.offset + middle * weight.scale
        self.scale = weight.scale.half().contiguous()
        self.offset = offset.half().contiguous() if bool(offset.any()) else None
        codes = weight.codes.to(torch.int16) - middle
        if self.kind == INT8:
            self.weight = codes.to(torch.int8).contiguous()
            return
        nibbles = F.pad((codes + 8).to(torch.uint8), (0, -self.inputs % NATIVE_ROW)).view(self.outputs, -1, 2, BLOCK)
        self.weight = (nibbles[:, :, 0] | (nibbles[:, :, 1] << 4)).contiguous()

    def dense(self) -> Tensor:
        """The weight [out, in], bfloat16; a new tensor where it is not stored like that."""
        if self.kind == DENSE:
            return self.weight
        out = torch.empty(self.outputs, self.inputs, dtype=torch.bfloat16)
        self.expand(out)
        return out

    def expand(self, out: Tensor) -> None:
        """The weight into `out` [out, in], bfloat16 and contiguous."""
        if self.kind == DENSE:
            out.copy_(self.weight)
            return
        found, why = library()
        assert found is not None, why
        threads = torch.get_num_threads()
        groups = -(-(self.inputs // self.group) // 16) * 16
        scratch = torch.empty(threads * 2 * groups)
        found.optlab_expand(ctypes.byref(self.struct), out.data_ptr(), scratch.data_ptr(), threads)

    def settle(self, pages: Pages, weight: Tensor | None = None) -> None:
        """Move into `pages`. weight: the same numbers in memory that belongs to somebody else as well."""
        self.weight = pages.place(self.weight) if weight is None else weight
        self.scale, self.offset = (None if one is None else pages.place(one) for one in (self.scale, self.offset))
        self.struct.weight = self.weight.data_ptr()
        self.struct.scale, self.struct.offset = _pointer(self.scale), _pointer(self.offset)

    def times(self, x: Tensor) -> Tensor:
        """W x + b for one vector x [in], which is rounded to bfloat16; float32 [out]."""
        found, why = library()
        assert found is not None, why
        x, out, threads = x.float().contiguous(), torch.empty(self.outputs), torch.get_num_threads()
        scratch = torch.zeros(threads * 4 * (-(-self.inputs // NATIVE_ROW) * NATIVE_ROW))
        found.optlab_multiply(ctypes.byref(self.struct), x.data_ptr(), out.data_ptr(), scratch.data_ptr(), threads)
        return out

    @property
    def whole_numbers(self) -> bool:
        """Whether a prompt is multiplied as int8 codes by int8 codes."""
        return self.kernel == "int8x8"


class Together(nn.Module):
    """Weights [out, in] that read the same input: q, k, v; gate, up. Those of one kind lie in one piece of memory.

    pages: where they are moved to.
    """

    def __init__(self, parts: list[NativeLinear], pages: Pages) -> None:
        super().__init__()
        self.parts = parts
        first = parts[0]
        self.inputs, self.outputs = first.inputs, sum(part.outputs for part in parts)
        self.whole_numbers = all(part.whole_numbers for part in parts)
        self.stacked: Tensor | None = None
        places: list[Tensor] | list[None] = [None] * len(parts)
        if first.kind != INT4 and all(part.kind == first.kind for part in parts):
            self.stacked = pages.empty((self.outputs, self.inputs), first.weight.dtype)
            places = list(self.stacked.split([part.outputs for part in parts]))
            torch.cat([part.weight for part in parts], out=self.stacked)
        for part, place in zip(parts, places, strict=True):
            part.settle(pages, place)
        self.bias: Tensor | None = None
        if any(part.bias is not None for part in parts):
            self.bias = torch.cat([torch.zeros(part.outputs) if part.bias is None else part.bias for part in parts])
        self.scale: Tensor | None = None
        if self.whole_numbers:
            self.scale = torch.cat([part.scale.view(-1).float() for part in parts if part.scale is not None])

    def forward(self, x: Tensor) -> Tensor:
        """[T, in], int8 codes for whole numbers and else bfloat16 -> [T, out], int32 or bfloat16, before any bias."""
        if self.whole_numbers:
            assert self.stacked is not None
            return torch._int_mm(x, self.stacked.T)
        return F.linear(x, self.dense())

    def dense(self) -> Tensor:
        """The weights one above the other [out, in], bfloat16; a new tensor where they are not stored like that."""
        if self.stacked is not None and self.parts[0].kind == DENSE:
            return self.stacked
        out = torch.empty(self.outputs, self.inputs, dtype=torch.bfloat16)
        for part, rows in zip(self.parts, out.split([part.outputs for part in self.parts]), strict=True):
            part.expand(rows)
        return out


def _pointer(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()
