"""What is predicted of every member of a recipe family: sent once, read at every movement of a knob.

A page looks a stop up and computes nothing, so what it shows while a knob is dragged is what Python says.
"""

from __future__ import annotations

from optlab.results.document import Document, Part
from optlab.results.fields import Count, Number, Sentence, Word
from optlab.results.prediction import Band, PredictedDelta
from optlab.results.recipe import RecipeField


class TablePoint(Part):
    """As `Predicted`, without what all points share. reason: why there are no figures; None where there are."""

    reason: Sentence | None = None
    size_bytes: Count | None = None
    delta: PredictedDelta | None = None
    decode_ms_per_token: Number | None = None
    decode_band90: Band | None = None


class PredictionTable(Document):
    """recipe: a member of the family, for what no knob holds, its training included. text: that it is predicted for,
    None is the probe's. anchors: measurements that it was learned from.

    bits: stops of the knob, None is unquantized. points: for each of `bits` one for each of `sparsities`, row after
    row.
    """

    model: Word
    text: Word | None = None
    recipe: RecipeField
    anchors: Count = 0
    bits: tuple[Count | None, ...]
    sparsities: tuple[Number, ...]
    original: TablePoint
    points: tuple[TablePoint, ...]

    def at(self, bits: int | None, sparsity: float) -> TablePoint:
        """The point at a stop of both knobs. Raises ValueError where there is no such stop."""
        return self.points[self.bits.index(bits) * len(self.sparsities) + self.sparsities.index(sparsity)]
