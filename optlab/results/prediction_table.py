"""What is predicted of a whole family of recipes, in one piece: the curve that a slider draws while it is dragged."""

from __future__ import annotations

import math

from optlab.results.document import Document, Part
from optlab.results.fields import Count, Name, Number, Positive, Sentence, Word
from optlab.results.prediction import Band
from optlab.results.recipe import RecipeField


class PredictedCell(Part):
    """One recipe of the family against the original. nll: nats per token; its band holds 90 %, None is an open end.
    reason: why its quality is not predicted, None where it is. note: what must be said of it, None for most.
    size_bytes: of the weights file. decode_speedup: how many times faster a token is made. None is what is not
    known."""

    reason: Sentence | None = None
    note: Sentence | None = None
    nll: Number | None = None
    nll_band90: Band | None = None
    size_bytes: Count | None = None
    decode_speedup: Number | None = None
    decode_speedup_band90: Band | None = None

    @property
    def ppl_ratio(self) -> float | None:
        """Perplexity over the original's."""
        return None if self.nll is None else math.exp(min(self.nll, 700.0))


class OriginalFigures(Part):
    """What the ratios of a table are taken of. ppl: as measured on the table's text here; None where it was not.
    decode_ms: per token, as last timed on this machine; None where it was not."""

    size_bytes: Count
    ppl: Number | None = None
    decode_ms: Number | None = None


class PredictionTable(Document):
    """A family of recipes on one model and one text (None: the model's own).

    bits, sparsities, temperatures: the settings of each knob, rising; empty where the recipe has no such knob. cells:
    one for each combination, the last axis runs fastest: the cell of settings (i, j, k) has the number
    (i * max(1, sparsities) + j) * max(1, temperatures) + k. anchors: measurements that it was learned from.
    """

    model: Name
    text: Word | None
    recipe: RecipeField
    bits: tuple[Positive, ...] = ()
    sparsities: tuple[Number, ...] = ()
    temperatures: tuple[Number, ...] = ()
    original: OriginalFigures
    cells: tuple[PredictedCell, ...]
    anchors: Count = 0

    def at(
        self, bits: int | None = None, sparsity: float | None = None, temperature: float | None = None
    ) -> PredictedCell:
        """The cell of these settings; None for a knob that the recipe does not have. Raises ValueError for a setting
        that the table does not hold."""
        number = 0
        for settings, wanted in ((self.bits, bits), (self.sparsities, sparsity), (self.temperatures, temperature)):
            place = settings.index(wanted) if wanted is not None else 0
            number = number * max(len(settings), 1) + place
        return self.cells[number]
