"""Random pruning: the control. What a method gains, it gains over this."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, ClassVar

from optlab.prune.scored import ScoredPruning

if TYPE_CHECKING:
    from torch import Tensor

    from optlab.context import Context


class Random(ScoredPruning):
    """Zero weights drawn by the seed of the protocol."""

    name: ClassVar[str] = "random"
    title: ClassVar[str] = "Random weights"
    summary: ClassVar[str] = "Zeroes weights at random: the baseline that every other method must beat."
    source: ClassVar[str] = "the control of Blalock et al. 2020, arXiv 2003.03033"

    def scores(self, name: str, context: Context) -> Tensor:
        import torch

        # A seed per layer: which of its weights go does not depend on which other layers a recipe names.
        generator = torch.Generator().manual_seed(context.seed + zlib.crc32(name.encode()))
        W = context.model.weight(name)
        return torch.rand(W.shape, generator=generator).to(W.device).masked_fill(W == 0, 0.0)
