"""How a training goes, small enough to be sent to a page after every step: two curves, a speed and the time left.

The training loss of single steps is noise, so neighbouring steps are averaged, ever more of them as the training grows;
the held-out loss is measured on windows that training never sees.
"""

from __future__ import annotations

from typing import Any

from optlab.results.training import CurvePoint, Training

MOST_POINTS = 120
"""Even, so that points can be joined two by two."""


class Curve:
    """Losses in nats per token. `memory` is plain JSON, kept with the training's state, and filled from it."""

    def __init__(self, memory: dict[str, Any]) -> None:
        self.memory = memory
        for name, start in (("every", 1), ("loss", []), ("sum", 0.0), ("count", 0), ("held_out", [])):
            memory.setdefault(name, start)

    def add(self, step: int, loss: float, seconds: float) -> None:
        """The loss of a step; seconds: of training until then."""
        own = self.memory
        own["sum"] += loss
        own["count"] += 1
        if own["count"] < own["every"]:
            return
        own["loss"].append([step, own["sum"] / own["count"], seconds])
        own["sum"], own["count"] = 0.0, 0
        if len(own["loss"]) == MOST_POINTS:
            pairs = zip(own["loss"][::2], own["loss"][1::2], strict=True)
            own["loss"] = [[later[0], (first[1] + later[1]) / 2, later[2]] for first, later in pairs]
            own["every"] *= 2

    def hold(self, step: int, nll: float, seconds: float) -> None:
        """The held-out loss after a step."""
        self.memory["held_out"].append([step, nll, seconds])

    def stuck(self, patience: int) -> bool:
        """Whether the last `patience` looks at the held-out loss brought nothing better than what was before them."""
        found = [nll for _, nll, _ in self.memory["held_out"]]
        return len(found) > patience and min(found[-patience:]) >= min(found[:-patience])

    def training(self, alpha: float | None = None) -> Training:
        """The curves so far. alpha: weight of the text itself."""
        loss, held_out = ([CurvePoint(*one) for one in self.memory[name]] for name in ("loss", "held_out"))
        return Training(loss=tuple(loss), held_out=tuple(held_out), alpha=alpha)
