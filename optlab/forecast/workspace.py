"""What methods hold beside the weights while they work on a layer, counted in matrices of float32.

A method that rounds holds copies of the layer: in groups, divided by scales, as codes, as values. One that corrects
errors holds the second moments of what the layer reads: as they are, in another order, damped, reversed, factored. On
a processor several layers are worked on at once, one a thread (`optlab.parallel`).
"""

from __future__ import annotations

from collections.abc import Sequence

from optlab.forecast.footprint import FULL
from optlab.machine.processor import cores
from optlab.parallel import MOST
from optlab.recipes import Recipe

COPIES = 1.7
"""Of each layer that is worked on, while it is rounded or pruned: in groups, and what comes of them."""
SQUARES = 4
"""Of the second moments, while they are factored, one thread at a time."""
FACTORS = frozenset({"gptq", "sparsegpt", "sparsegpt_gptq"})


def workspace(recipe: Recipe, shapes: Sequence[tuple[int, int]]) -> int:
    """Bytes beside the weights while `recipe` is applied to layers of these shapes (out, in)."""
    if not recipe.steps:
        return 0
    threads = min(cores(), MOST)
    copies = COPIES * FULL * sum(sorted((rows * width for rows, width in shapes), reverse=True)[:threads])
    factors = any(step.method in FACTORS for step in recipe.steps)
    return round(copies) + (SQUARES * FULL * max(width for _, width in shapes) ** 2 if factors else 0)


def moments(recipe: Recipe, shapes: Sequence[tuple[int, int]]) -> int:
    """Bytes of the second moments of what layers of one block read, where the recipe needs them: q, k and v read the
    same, and so do gate and up, so that a width counts as often as there are layers that write what others read."""
    if not any(step.instance().needs_calibration for step in recipe.steps):
        return 0
    widths = {width for _, width in shapes}
    return FULL * (sum(width * width for width in widths) + READ_TWICE * min(widths) ** 2)


READ_TWICE = 2
"""What attention and MLP read, and what attention gives, are as wide as the states: three matrices of one width."""
