"""Quantized weights as llama.cpp's blocks of 32, code for code: nothing is rounded a second time.

    Q4_0  w = d (q - 8)     4 bits, symmetric       d float16, then 16 bytes: codes j and j + 16
    Q4_1  w = d q + m       2 to 4 bits             d, m float16, then 16 bytes
    Q8_0  w = d q           up to 8 bits, symmetric d float16, then 32 signed bytes

Every group size that is a multiple of 32 fits, its scale repeated in each of its blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from optlab.kernels.weights import Affine

if TYPE_CHECKING:
    from optlab.formats.integer_tensor import QuantizedTensor

BLOCK = 32


def kind_of(stored: QuantizedTensor) -> str | None:
    """'Q4_0', 'Q4_1' or 'Q8_0'; None when blocks cannot say what is stored."""
    group = stored.shape[1] // stored.scale.shape[1]
    if group % BLOCK:
        return None
    if stored.bits <= 4:
        return "Q4_0" if stored.zero == "none" else "Q4_1"
    return "Q8_0" if stored.zero == "none" else None


def blocks(stored: QuantizedTensor, rows: Tensor | None = None) -> Any:
    """The bytes of every row: uint8 [out, blocks * bytes of a block]. rows: another order of the rows, long [out].

    Raises ValueError when `kind_of` is None.
    """
    kind = kind_of(stored)
    if kind is None:
        raise ValueError(f"{stored.bits} bits, zero {stored.zero}, cannot be written in blocks of {BLOCK}")
    codes, scale, offset = (
        (tensor if rows is None else tensor[rows]).cpu().numpy() for tensor in Affine.of(stored).tensors()
    )
    out, width = codes.shape
    each = width // scale.shape[1] // BLOCK
    d = np.repeat(scale, each, axis=1).astype(np.float16)[..., None].view(np.uint8)
    q = codes.reshape(out, -1, BLOCK)
    middle = 1 << (stored.bits - 1)
    if kind == "Q8_0":
        parts = [d, (q.astype(np.int16) - middle).astype(np.int8).view(np.uint8)]
    else:
        q = q + (8 - middle) if kind == "Q4_0" else q
        packed = (q[..., :16] | (q[..., 16:] << 4)).astype(np.uint8)
        m = np.repeat(offset, each, axis=1).astype(np.float16)[..., None].view(np.uint8)
        parts = [d, packed] if kind == "Q4_0" else [d, m, packed]
    return np.concatenate(parts, axis=-1).reshape(out, -1)
