"""Students made from their teacher: fewer blocks, each a copy of one of the teacher's, so that training starts warm.

Or the same shape with random weights, to see what that warmth is worth. A narrower student is a structured pruning
before this step, and a quantized or pruned model that is to recover is its own student.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optlab.errors import RecipeError

if TYPE_CHECKING:
    from optlab.context import Context


def make(context: Context, keep: int | None, start: str) -> None:
    """Make `context.model` the student: `keep` of its blocks (None: all), chosen and filled as `start` says.

    Raises RecipeError (a depth that does not exist, a family that cannot begin from scratch).
    """
    model = context.model
    count = len(model.blocks())
    if keep is not None:
        chosen = evenly_spaced(count, keep)
        if start == "influence":
            from optlab.calibrate.influence import influences

            scores = influences(model, context.calibration_windows(), context.progress)
            chosen = sorted(sorted(range(count), key=lambda block: -scores[block])[:keep])
        context.keep_blocks(chosen)
    if start == "scratch":
        import torch

        from optlab.models.transformer import Transformer

        if not isinstance(model.module, Transformer):
            raise RecipeError(
                "{name} runs through transformers, where a student cannot begin from scratch",
                name=model.name,
            )
        if context.stored:
            raise RecipeError("a student from scratch forgets what was pruned or quantized; put that after distill")
        with torch.no_grad():
            model.module.initialize(torch.Generator().manual_seed(context.seed))


def evenly_spaced(blocks: int, keep: int) -> list[int]:
    """`keep` of `blocks` indices in order, first and last included when keep > 1 (as DistilBERT, arXiv 1910.01108).

    Raises RecipeError when there are fewer blocks than asked for.
    """
    if not 1 <= keep <= blocks:
        raise RecipeError(
            "a student of {keep} blocks cannot be made from {blocks}; use 1 to {blocks}",
            keep=keep,
            blocks=blocks,
        )
    if keep == 1:
        return [0]
    return [round(i * (blocks - 1) / (keep - 1)) for i in range(keep)]
