"""Students of several temperatures and alphas, judged on the same held-out words."""

from __future__ import annotations

from optlab.results.document import Document, Part
from optlab.results.fields import Count, Interval, Number, Truth, Word
from optlab.results.specs import RecipeSpec
from optlab.results.training import TrainingSoFar


class SweepSpec(RecipeSpec):
    """recipe: one distillation step; its temperature and alpha are those of each student instead."""

    temperatures: tuple[Number, ...]
    alphas: tuple[Number, ...]


class Student(Part):
    """delta: nll minus the control's, in nats per token, with its paired 95 % interval. as_good: the interval of its
    difference to the best student includes zero."""

    temperature: Number
    alpha: Number
    nll: Number
    delta: Number
    ci95: Interval | None
    as_good: Truth


class Sweep(Document):
    """control: loss of the student that learned from the text alone. best: (temperature, alpha), None without a cell.
    training: of the student that learns now; None in a finished sweep."""

    cells: tuple[Student, ...] = ()
    control: Number | None = None
    windows: Count = 0
    best: tuple[Number, Number] | None = None
    tokens: Count | None = None
    text: Word | None = None
    training: TrainingSoFar | None = None

    @property
    def best_student(self) -> Student | None:
        """The cell of `best`."""
        return next((cell for cell in self.cells if (cell.temperature, cell.alpha) == self.best), None)
