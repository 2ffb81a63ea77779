"""A comparison: two checkpoints of one tokenizer, read on the same words and timed in turns."""

from __future__ import annotations

from pydantic import Field

from optlab.results import table
from optlab.results.divergence import Details
from optlab.results.document import Document, Part
from optlab.results.environment import Environment
from optlab.results.fields import Count, Name, Number, Sentence, Truth, Word
from optlab.results.latency import TimedPair
from optlab.results.measurement import Delta, MetricResult, Side
from optlab.results.measurement import Seconds as Durations
from optlab.results.specs import ProtocolSpec


class ComparisonSpec(ProtocolSpec):
    """other: what is compared with the model: a name of the catalog or the hub, or an absolute path."""

    other: Name


class ComparedLayer(Part):
    """One weight matrix that both models have in the same shape. bits_base, bits_other: what each file spends on a
    weight, scales and zero points included; None where the file keeps it together with others. weight_error: root mean
    square of the difference of the weights, relative to the base's. output_error: the same of the layer's output, when
    its input is the base's on the words that were compared; None where it is not known."""

    name: Name
    bits_base: Number | None = None
    bits_other: Number | None = None
    weight_error: Number
    output_error: Number | None = None


class Comparison(Document):
    """`other` against `model`. baseline, compressed: the two sides, as in a measurement; sizes are those of the files
    as they came, except that a model of the catalog counts as the floats that OptLab compresses. delta: other against
    model. vocabulary: ids that both have and that were compared. tokens: that were read, in `windows` of `context`.
    unmatched: weight matrices that only one model has, or that have another shape. notes: sentences for a person."""

    model: Name
    other: Name
    text: Word
    tokens: Count
    context: Count
    device: Word
    dtype: Word
    vocabulary: Count
    versions: dict[Word, Word] = Field(default_factory=dict)
    baseline: Side
    compressed: Side
    delta: Delta
    metrics: tuple[MetricResult, ...] = ()
    layers: tuple[ComparedLayer, ...] = ()
    unmatched: Count = 0
    seconds: Durations = Durations()
    details: Details | None = None
    latency: TimedPair | None = None
    environment: Environment = Environment()
    windows: Count
    stopped_early: Truth = False
    begins_with: tuple[Word, ...] = ()
    lookalikes: Count = 0
    notes: tuple[Sentence, ...] = ()

    @property
    def about(self) -> str:
        """What was compared, in a few words."""
        return f"{self.other} against {self.model}"

    @property
    def remarks(self) -> list[str]:
        """What must be known besides the figures, English."""
        lines = []
        worst = self.worst_layer
        if worst is not None:
            bits = "" if worst.bits_other is None else f", stored in {worst.bits_other:.2f} bits a weight"
            lines.append(f"weights differ most in {worst.name}: {worst.weight_error:.2%} (root mean square){bits}")
        farthest = max(self.layers, key=lambda layer: layer.output_error or 0.0, default=None)
        if farthest is not None and farthest.output_error:
            lines.append(f"outputs differ most in {farthest.name}: {farthest.output_error:.2%} (root mean square)")
        if self.unmatched:
            lines.append(f"{self.unmatched} weight matrices have no counterpart of the same shape")
        return lines + [f"note: {note}" for note in self.notes]

    def __repr__(self) -> str:
        return table.text(self)

    def _repr_html_(self) -> str:
        return table.html(self)

    @property
    def worst_layer(self) -> ComparedLayer | None:
        """The first layer whose weights differ most; None where no layer can be compared."""
        return max(self.layers, key=lambda layer: layer.weight_error, default=None)
