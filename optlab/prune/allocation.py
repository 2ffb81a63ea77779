"""How much each layer loses: the same everywhere, or less where a few weights stand far above the others.

OWL (Yin et al., arXiv 2310.05175): the outlier share of a block is the share of its Wanda scores above M times the mean
of their layer (eq. 1). Blocks with many outliers keep more: sparsities lie in a band of 2 lambda and their mean,
weighted by size, is S. All layers of a block are treated alike, and what lies outside the blocks gets S.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optlab.messages import say

if TYPE_CHECKING:
    from optlab.context import Context

OUTLIER = 5.0
"""M of the paper: how many times the mean a score must be to count as an outlier."""
SPREAD = 0.08
"""lambda of the paper."""


def shares(context: Context, sparsity: float, allocation: str) -> dict[str, float]:
    """The share of every layer of `context` that becomes zero."""
    if allocation == "uniform":
        return dict.fromkeys(context.names, sparsity)
    model = context.model
    blocks = {name: model.structure.block_of(name) for name in context.names}
    outliers, sizes = dict[int, float](), dict[int, int]()
    for done, (name, block) in enumerate(blocks.items()):
        if block is None:
            continue
        context.progress(
            0.0, say("counting outliers: layer {done}/{block_count}", done=done + 1, block_count=len(blocks))
        )
        scores = model.weight(name).abs() * context.statistics().gram(name).diagonal().sqrt().to(model.device)
        outliers[block] = outliers.get(block, 0.0) + float((scores > OUTLIER * scores.mean()).sum())
        sizes[block] = sizes.get(block, 0) + scores.numel()
    found = spread({b: outliers[b] / sizes[b] for b in sizes}, sizes, sparsity)
    return {name: sparsity if block is None else found[block] for name, block in blocks.items()}


def spread(outliers: dict[int, float], sizes: dict[int, int], sparsity: float) -> dict[int, float]:
    """Sparsity of each block from its outlier share: falling in a straight line, `sparsity` on average by size."""
    low, high = min(outliers.values(), default=0.0), max(outliers.values(), default=0.0)
    # Where there is no room on both sides, the band is narrower.
    width = min(SPREAD, sparsity / 2, (1 - sparsity) / 2)
    if high == low:
        return dict.fromkeys(outliers, sparsity)
    raised = {b: 2 * width * (share - low) / (high - low) for b, share in outliers.items()}
    mean = sum(raised[b] * sizes[b] for b in raised) / sum(sizes[b] for b in raised)
    return {b: sparsity - (r - mean) for b, r in raised.items()}
