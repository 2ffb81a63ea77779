"""Which recipes can be applied one block at a time, and what the others need."""

from __future__ import annotations

from optlab.messages import Message, say
from optlab.models.language_model import LanguageModel
from optlab.prune.pattern import UNITS
from optlab.recipes import Recipe, Step

COPIES = 3
"""Of all weights in float32: original, compressed model, and what is evaluated or learned."""


def why_not(recipe: Recipe, parameters: int, model: LanguageModel | None = None) -> Message | None:
    """Why `recipe` needs a model of so many parameters whole in memory, as one sentence; None where it does not.

    model: without weights; with it, layers that steps name are looked at too.
    """
    for number, step in enumerate(recipe.steps):
        reason = _of_step(step, number + 1 == len(recipe.steps), model)
        if reason is not None:
            return say(
                "{step} needs the whole model in memory, about {gigabytes:.1f} GB: {reason}",
                step=step.describe(),
                gigabytes=4 * COPIES * parameters / 1e9,
                reason=reason,
            )
    return None


def _of_step(step: Step, last: bool, model: LanguageModel | None) -> Message | None:
    method, values = step.instance(), step.values
    if method.trains or step.method == "signround":
        return say("it learns from gradients and from the original's states")
    if method.changes_shape or values.get("pattern") in UNITS:
        return say("it compares heads, neurons or blocks of all layers")
    if step.method == "taylor":
        return say("it reads gradients of the whole model")
    if values.get("scope") == "global" or values.get("allocation", "uniform") != "uniform":
        return say("it compares the weights of all layers")
    if values.get("sequential") and not last:
        return say("it is sequential, and steps after it would change what the next block reads")
    if model is not None:
        from optlab.compression import select

        outside = [name for name in select(model, step) if model.structure.block_of(name) is None]
        if outside:
            return say("it changes {layer}, which lies outside the blocks", layer=outside[0])
    return None
