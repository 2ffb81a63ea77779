"""How a training goes, small enough to be sent to a page after every step: two curves, a speed and the time left.

The training loss of single steps is noise, so neighbouring steps are averaged, ever more of them as the training grows;
the held-out loss is measured on windows that training never sees.
"""

from __future__ import annotations

from optlab.results.document import Document
from optlab.results.fields import Count, Number
from optlab.results.training import CurvePoint, Training

MOST_POINTS = 120
"""Even, so that points can be joined two by two."""


class CurveSoFar(Document):
    """A curve as it is kept with the training's state. every: steps that make a point. sum, count: of the losses of the
    steps since the last one."""

    every: Count = 1
    loss: tuple[CurvePoint, ...] = ()
    sum: Number = 0.0
    count: Count = 0
    held_out: tuple[CurvePoint, ...] = ()


class Curve:
    """Losses in nats per token; the memory (`optlab.models.train.Memory`) of a training."""

    def __init__(self) -> None:
        self.every, self.sum, self.count = 1, 0.0, 0
        self.loss: list[CurvePoint] = []
        self.held_out: list[CurvePoint] = []

    def to_json(self) -> str:
        """To go on from."""
        return CurveSoFar(
            every=self.every, loss=tuple(self.loss), sum=self.sum, count=self.count, held_out=tuple(self.held_out)
        ).to_json()

    def recall(self, text: str) -> None:
        """Be again what `to_json` wrote. Raises UnreadableError."""
        found = CurveSoFar.from_json(text)
        self.every, self.sum, self.count = found.every, found.sum, found.count
        self.loss, self.held_out = list(found.loss), list(found.held_out)

    def add(self, step: int, loss: float, seconds: float) -> None:
        """The loss of a step; seconds: of training until then."""
        self.sum += loss
        self.count += 1
        if self.count < self.every:
            return
        self.loss.append(CurvePoint(step, self.sum / self.count, seconds))
        self.sum, self.count = 0.0, 0
        if len(self.loss) == MOST_POINTS:
            pairs = zip(self.loss[::2], self.loss[1::2], strict=True)
            self.loss = [CurvePoint(two.step, (one.nll + two.nll) / 2, two.seconds) for one, two in pairs]
            self.every *= 2

    def hold(self, step: int, nll: float, seconds: float) -> None:
        """The held-out loss after a step."""
        self.held_out.append(CurvePoint(step, nll, seconds))

    def stuck(self, patience: int) -> bool:
        """Whether the last `patience` looks at the held-out loss brought nothing better than what was before them."""
        found = [point.nll for point in self.held_out]
        return len(found) > patience and min(found[-patience:]) >= min(found[:-patience])

    def training(self, alpha: float | None = None) -> Training:
        """The curves so far. alpha: weight of the text itself."""
        return Training(loss=tuple(self.loss), held_out=tuple(self.held_out), alpha=alpha)
