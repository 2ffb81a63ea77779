"""Which recipes can be applied one block at a time, and why others need the whole model at once."""

from __future__ import annotations

from optlab.messages import Message, say
from optlab.models.architectures import ARCHITECTURES
from optlab.models.describe import Description
from optlab.prune.pattern import UNITS
from optlab.recipes import Recipe, Step


def why_not(recipe: Recipe, description: Description) -> Message | None:
    """Why `recipe` needs the model whole in memory, as half a sentence; None where it goes block by block."""
    if description.family not in ARCHITECTURES or description.objective != "causal":
        return say(
            "{name} is computed by a class of transformers, whose blocks need each other", name=description.title
        )
    for number, step in enumerate(recipe.steps):
        reason = _of_step(step, number + 1 == len(recipe.steps), description)
        if reason is not None:
            return say("{step}: {reason}", step=step.describe(), reason=reason)
    return None


def _of_step(step: Step, last: bool, description: Description) -> Message | None:
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
    inside = {name for name, _ in description.linears}
    outside = [name for name, _ in description.matrices if step.matches(name) and name not in inside]
    if step.layers is not None and outside:
        return say("it changes {layer}, which lies outside the blocks", layer=outside[0])
    return None
