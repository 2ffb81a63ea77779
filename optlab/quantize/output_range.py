"""Rounding to nearest within the range that harms the output least, which needs the inputs but no compensation.

The range with the least error of the weights is often worse than the full one: the weights that it cuts off may be
those that meet large inputs. Counting the error of each group's share of the output instead takes that into account, at
the price of one matrix product per range. AWQ ends with it (arXiv 2306.00978), learned rounding can begin with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optlab.formats.integer_grid import Zero, best_clip, diagonal_blocks, in_groups
from optlab.formats.integer_tensor import QuantizedTensor

if TYPE_CHECKING:
    from torch import Tensor

    from optlab.context import Context


def nearest(W: Tensor, name: str, context: Context, bits: int, zero: Zero, group_size: int | None) -> QuantizedTensor:
    """W [out, in] float32, the weight of layer `name`, rounded to nearest within the best range of each group."""
    groups, read = in_groups(W, group_size), context.model.structure.multiplied(name)
    if read is None:
        return QuantizedTensor.of(W, best_clip(groups, bits, zero), group_size)
    H = moments(read, context)
    return QuantizedTensor.of(W, best_clip(groups, bits, zero, diagonal_blocks(H, groups.shape[-1])), group_size)


def moments(name: str, context: Context) -> Tensor:
    """Mean of x x^T over the inputs of layer `name`, float32 [in, in], after what folds have moved so far."""
    H = context.statistics().gram(name).to(context.model.device)
    s = context.scalings.columns.get(name)
    return H if s is None else H / s / s.unsqueeze(1)
