"""What makes sense after a recipe: protect the layers that it hurts most, recover by training, or go further.

Each is offered only where a prediction says that it is worth it, and leads to a recipe like any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from optlab.client.client import Client
from optlab.errors import RecipeError
from optlab.figures import format
from optlab.figures.costs import worst
from optlab.figures.verdict import SLIGHT
from optlab.knobs import KnobbedRecipe, knobs_of
from optlab.messages import Counted, Message, say
from optlab.models.describe import Description
from optlab.prediction.costs import costs
from optlab.prediction.layer_values import BITS, offered, values_of, with_values
from optlab.prediction.predictor import Predictor
from optlab.protocol import Protocol
from optlab.recipes import Recipe

PROTECTED = 3
"""Layers at a time: so few that they hardly show in the size."""
MORE_BITS, MOST_BITS = 2, 8
WORTH = 0.9
"""Share of the predicted loss that may be left, in nats, for a protection to be offered."""


@dataclass(frozen=True)
class NextStep:
    """name: of its widget. words: what a person gains, in one line. recipe: where it leads."""

    name: str
    words: Message
    recipe: Recipe


def after(client: Client, description: Description, recipe: Recipe, protocol: Protocol) -> list[NextStep]:
    """What can be tried after `recipe`, which has steps; none where the model was never probed. Raises ModelError."""
    predictor = client.predictor(description.model, protocol)
    if predictor is None:
        return []
    return [*_protect(predictor, description, recipe), *_recover(predictor, description, recipe),
            *_further(predictor, description, recipe)]  # fmt: skip


def _protect(predictor: Predictor, description: Description, recipe: Recipe) -> Iterator[NextStep]:
    """More bits for the layers whose bits are bought most dearly."""
    told, found = predictor.predict(recipe), costs(predictor, recipe)
    if not found or not told.nll or told.nll <= 0 or offered(recipe, BITS) is None:
        return
    bits = values_of(recipe, description, BITS)
    dear = [one.name for one in worst(found, "per_megabit", PROTECTED) if bits[one.name] < MOST_BITS]
    raised = {name: float(min(bits[name] + MORE_BITS, MOST_BITS)) for name in dear}
    if len(raised) < PROTECTED:
        return
    try:
        better = with_values(recipe, BITS, {**bits, **raised})
    except RecipeError:
        return
    then = predictor.predict(better)
    if then.nll is None or then.nll > WORTH * told.nll or then.size_bytes is None or told.size_bytes is None:
        return
    yield NextStep(
        "protect",
        Counted("Protect {count} layer: {loss}, +{size}", "Protect {count} layers: {loss}, +{size}",
                count=len(raised), loss=_change(then.ppl_ratio),
                size=format.megabytes(then.size_bytes - told.size_bytes)),
        better,
    )  # fmt: skip


def _recover(predictor: Predictor, description: Description, recipe: Recipe) -> Iterator[NextStep]:
    """Training, where something was lost."""
    told, knobbed = predictor.predict(recipe), KnobbedRecipe.of(recipe, description)
    if knobbed is None or description.objective != "causal" or any(step.kind == "distill" for step in recipe.steps):
        return
    if told.ppl_ratio is not None and told.ppl_ratio < SLIGHT:
        return
    usual = float(knobbed.distill.values["temperature"] or 1.0)
    yield NextStep(
        "recover", say("Recover by distilling"), knobbed.recipe(replace(knobs_of(recipe), temperature=usual))
    )


def _further(predictor: Predictor, description: Description, recipe: Recipe) -> Iterator[NextStep]:
    """A bit less, where hardly anything was lost."""
    told, knobbed = predictor.predict(recipe), KnobbedRecipe.of(recipe, description)
    if knobbed is None or told.ppl_ratio is None or told.ppl_ratio >= SLIGHT:
        return
    now = knobs_of(recipe)
    fewer = [bits for bits in knobbed.bits() if bits is not None and now.bits is not None and bits < now.bits]
    if not fewer:
        return
    smaller = knobbed.recipe(replace(now, bits=fewer[-1]))
    then, original = predictor.predict(smaller), predictor.predict(Recipe())
    if then.ppl_ratio is None or not then.size_bytes or not original.size_bytes:
        return
    yield NextStep(
        "further",
        say("Go to {bits} bits: {size}, {loss}", bits=fewer[-1],
            size=format.smaller(then.size_bytes / original.size_bytes), loss=_change(then.ppl_ratio)),
        smaller,
    )  # fmt: skip


def _change(ratio: float | None) -> str:
    return format.not_measured() if ratio is None else format.worse(ratio)
