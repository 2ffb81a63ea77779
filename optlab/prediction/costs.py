"""What each layer contributes to a predicted loss, and what its bytes bring: which layer hurts most, per bit.

Damages of layers add up, so a layer's share of the damage is its share of the loss. Divided by the bytes that the layer
saves it is the price at which those bytes are bought, and the frontier is where all prices are alike.
"""

from __future__ import annotations

from dataclasses import dataclass

from optlab.prediction.predictor import Predictor
from optlab.prediction.size import layer_bytes
from optlab.prediction.treatment import Outside, damage, treatment
from optlab.recipes import Recipe


@dataclass(frozen=True)
class Cost:
    """Of one layer. nll: its part of the predicted loss, nats per token; saved: bytes against the original."""

    name: str
    block: int
    nll: float
    saved: float

    @property
    def per_megabit(self) -> float | None:
        """Nats per token for every million bits saved; None where nothing is."""
        return self.nll / (8e-6 * self.saved) if self.saved > 0 else None


def costs(predictor: Predictor, recipe: Recipe) -> list[Cost]:
    """Every linear layer in the order of the model; none when the recipe lies outside of the probed range, or trains:
    what training changes is foretold of the model, not of its layers."""
    told = predictor.predict(recipe)
    if told.nll is None:
        return []
    state = predictor.state
    try:
        whole, done = treatment(state, Recipe()), treatment(state, recipe)
    except Outside:
        return []
    found = damage(state, done)
    saved = layer_bytes(state, whole, damage(state, whole)) - layer_bytes(state, done, found)
    total = float(found.total.sum()) + found.ends or 1.0
    return [
        Cost(name, block, told.nll * float(lost) / total, float(size))
        for name, block, lost, size in zip(state.names, state.blocks, found.total, saved, strict=True)
    ]
