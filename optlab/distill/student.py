"""Students made from their teacher: fewer blocks, each a copy of one of the teacher's, so that training starts warm."""

from __future__ import annotations

from optlab.errors import RecipeError


def evenly_spaced(blocks: int, keep: int) -> list[int]:
    """`keep` of `blocks` indices in order, first and last included when keep > 1 (as DistilBERT, arXiv 1910.01108).

    Raises RecipeError when there are fewer blocks than asked for.
    """
    if not 1 <= keep <= blocks:
        raise RecipeError(f"a student of {keep} blocks cannot be made from {blocks}; use 1 to {blocks}")
    if keep == 1:
        return [0]
    return [round(i * (blocks - 1) / (keep - 1)) for i in range(keep)]
