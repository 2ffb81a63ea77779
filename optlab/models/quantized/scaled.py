"""Weights stored one number a byte (int8 or float8) with a scale for all, for a row, a group or a block of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def scaled(
    values: Tensor, scale: Tensor, zero_point: Tensor | None = None, block: tuple[int, int] | None = None
) -> Tensor:
    """(value - zero) * scale, float32 [out, in].

    scale, zero_point: one number, [out], or [rows, columns] of numbers that each hold for a block of the weights; the
    blocks at the end may be smaller. block: their size; None divides the shape evenly. Raises ValueError.
    """
    wide = values.float()
    if zero_point is not None:
        wide = wide - _spread(zero_point.float(), wide, block)
    return wide * _spread(scale.float(), wide, block)


def _spread(numbers: Tensor, over: Tensor, block: tuple[int, int] | None) -> Tensor:
    rows, columns = over.shape
    if numbers.numel() == 1:
        return numbers.reshape(1, 1)
    if numbers.ndim == 1:
        numbers = numbers[:, None]
    height, width = block or (-(-rows // numbers.shape[0]), -(-columns // numbers.shape[1]))
    if (-(-rows // height), -(-columns // width)) != tuple(numbers.shape):
        raise ValueError(f"scales of shape {list(numbers.shape)} for weights of shape {[rows, columns]}")
    return numbers.repeat_interleave(height, 0)[:rows].repeat_interleave(width, 1)[:, :columns]
