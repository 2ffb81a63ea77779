"""Integer codes with a scale and a zero point for each group of inputs, as most formats have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from optlab.formats.integer_tensor import QuantizedTensor


def grouped(
    codes: Tensor, scales: Tensor, zeros: Tensor | None, bits: int, index: Tensor | None = None
) -> Tensor | QuantizedTensor:
    """scale * (code - zero) as codes that our kernels run, where our format says exactly the same; else as numbers.

    codes: uint8 [out, in], unsigned. scales: [out, groups]. zeros: uint8 [out, groups]; None is 2^(bits-1), the middle.
    index: long [in], the group of each input; None is equally long groups in order. Returns float32 [out, in] or a
    QuantizedTensor. Raises ValueError when the shapes do not fit.
    """
    import torch

    from optlab.formats.integer_tensor import QuantizedTensor

    outputs, inputs = codes.shape
    groups = scales.shape[1]
    if scales.shape[0] != outputs or (zeros is not None and zeros.shape != scales.shape):
        raise ValueError(f"scales of shape {list(scales.shape)} for weights of shape {[outputs, inputs]}")
    in_order = None if inputs % groups else torch.arange(inputs) // (inputs // groups)
    if index is None or (in_order is not None and torch.equal(index, in_order)):
        if in_order is None:
            raise ValueError(f"{groups} groups of {inputs} inputs")
        narrow = scales if scales.dtype in (torch.float16, torch.bfloat16) else scales.half()
        if torch.equal(narrow.float(), scales.float()):
            size = inputs // groups if groups > 1 else None
            if zeros is not None and bool((zeros == 1 << (bits - 1)).all()):
                zeros = None
            point = None if zeros is None else zeros.contiguous()
            return QuantizedTensor(codes, narrow.contiguous(), point, bits, size)
        index = in_order
    if int(index.min()) < 0 or int(index.max()) >= groups:
        raise ValueError("an input belongs to no group")
    zero = float(1 << (bits - 1)) if zeros is None else zeros.float()[:, index]
    return (codes.float() - zero) * scales.float()[:, index]
