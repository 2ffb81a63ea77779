"""A measurement: what a recipe did to a model, both read on the same words and timed in turns.

Field for field the JSON contract of `optlab measure --json`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from pydantic import Field

from optlab.files import JsonObject
from optlab.results import table
from optlab.results.divergence import Details
from optlab.results.document import Document, Part
from optlab.results.environment import Environment
from optlab.results.fields import Count, Interval, Name, Number, Sentence, Truth, Word
from optlab.results.fields import Seconds as Duration
from optlab.results.latency import TimedPair
from optlab.results.prediction import Predicted
from optlab.results.recipe import RecipeField
from optlab.results.specs import RecipeSpec
from optlab.results.training import Training, TrainingSoFar


class MeasureSpec(RecipeSpec):
    """predicted: what was claimed when the measurement was asked for, never touched again; None before a probe."""

    predicted: Predicted | None = None


class Side(Part):
    """One model. ppl_second_half: llama.cpp's convention, None for a masked model. The last three are None where they
    were not measured; peak_rss_bytes is of a process of its own."""

    ppl: Number
    bits_per_byte: Number
    ppl_second_half: Number | None = None
    size_bytes: Count
    decode_ms_per_token: Number | None = None
    prefill_tokens_per_s: Number | None = None
    peak_rss_bytes: Count | None = None


class Delta(Part):
    """Compressed against original, nats per token; intervals are paired and clustered by window, None with one window.

    decode_speedup: how many times faster a token is made: the geometric mean of the ratios of rounds timed in turns,
    with its 95 % interval; None where nothing was timed. It is the only speed-up there is: two medians, or times of
    different runs, are never divided.
    """

    nll: Number
    nll_ci95: Interval | None = None
    ppl_ratio: Number
    ppl_ratio_ci95: Interval | None = None
    kl_mean: Number
    kl_median: Number | None = None
    kl_p99: Number
    kl_max: Number | None = None
    top1_agreement: Number
    decode_speedup: Number | None = None
    decode_speedup_ci95: Interval | None = None


class MetricResult(Part):
    """A further figure of every prediction (`optlab.evaluation.metrics`): its mean, and the 95 % interval over windows,
    None with one window."""

    name: Name
    mean: Number
    ci95: Interval | None = None


class LayerReport(Part):
    """One weight matrix as stored. bits_per_weight: codes, scales, zero points and indices over the number of weights.
    sparsity: share of zeros. output_error: root mean square change of the layer's output relative to it, on the
    original's inputs; None where it is not known."""

    name: Name
    bits_per_weight: Number | None = None
    sparsity: Number | None = None
    output_error: Number | None = None


class Seconds(Part):
    """How long each part of the work took."""

    compress: Duration = 0.0
    evaluate: Duration = 0.0
    latency: Duration = 0.0


@dataclass(frozen=True, slots=True)
class Headline:
    """What lists and charts of many measurements read of each: the figures as a whole, without those of every layer and
    position, in a fifth of the memory. The fields are those of `Measurement`."""

    text: str
    tokens: int
    context: int
    device: str
    dtype: str
    seed: int
    baseline: Side
    compressed: Side
    delta: Delta
    seconds: Seconds
    latency: TimedPair | None
    environment: Environment
    stopped_early: bool

    @property
    def size_ratio(self) -> float | None:
        """Bytes of the compressed weights file over the original's."""
        return self.compressed.size_bytes / self.baseline.size_bytes if self.baseline.size_bytes else None


class Measurement(Document):
    """A model and a recipe on a text. tokens: that were read, in `windows` of `context`. device: where it ran.
    stopped_early: the interval was narrow enough before the text ended. begins_with: the tokens that every window
    begins with, such as BOS; None where that was not asked yet, and no window did. lookalikes: how often the text holds
    what looks like a special token and was read as characters. notes: what must be said of the recipe.
    artefact: folder of the compressed weights, None where they are not on this machine."""

    model: Name
    recipe: RecipeField
    text: Word
    tokens: Count
    context: Count
    calibration: Word | None = None
    device: Word
    dtype: Word
    seed: Count = 0
    versions: dict[Word, Word] = Field(default_factory=dict)
    baseline: Side
    compressed: Side
    delta: Delta
    layers: tuple[LayerReport, ...] = ()
    trainings: tuple[Training, ...] = ()
    seconds: Seconds = Seconds()
    details: Details | None = None
    metrics: tuple[MetricResult, ...] = ()
    latency: TimedPair | None = None
    environment: Environment = Environment()
    windows: Count
    stopped_early: Truth = False
    begins_with: tuple[Word, ...] | None = None
    lookalikes: Count = 0
    checkpoint_note: Sentence | None = None
    notes: tuple[Sentence, ...] = ()
    artefact: Word | None = None

    @classmethod
    def upgraded(cls, fields: JsonObject, version: int) -> JsonObject:
        """Untyped results said None, or an empty mapping, for a part that was not measured."""
        return {name: value for name, value in fields.items() if value is not None and value != {}}

    @property
    def about(self) -> str:
        """What was measured, in a few words."""
        return self.model

    @property
    def remarks(self) -> list[str]:
        """What must be known besides the figures, English."""
        said = [*([self.checkpoint_note] if self.checkpoint_note else []), *self.notes]
        return [f"note: {note}" for note in said] + ([f"saved in {self.artefact}"] if self.artefact else [])

    @property
    def worst_layer(self) -> LayerReport | None:
        """The first layer with the largest output error; None where no layer changed."""
        return max(self.layers, key=lambda layer: layer.output_error or 0.0, default=None)

    def __repr__(self) -> str:
        return table.text(self)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return table.html(self)

    @property
    def headline(self) -> Headline:
        """Its figures without the layers."""
        return Headline(**{field.name: getattr(self, field.name) for field in fields(Headline)})

    @property
    def size_ratio(self) -> float | None:
        """Bytes of the compressed weights file over the original's."""
        return self.headline.size_ratio


class QualitySoFar(Part):
    """The figures after `windows_done` windows of `windows`."""

    windows_done: Count
    windows: Count
    ppl_base: Number
    ppl_candidate: Number
    nll_delta: Number
    nll_ci95: Interval | None
    ppl_ratio: Number
    ppl_ratio_ci95: Interval | None
    kl_mean: Number
    top1_agreement: Number


class MeasurementSoFar(Document):
    """What is known of a measurement while it goes on; None is not known yet. sizes in bytes. quality moves until
    `quality_done`; the others are what the measurement will have. decode_speedup: as in `Delta`."""

    size_base: Count | None = None
    size_candidate: Count | None = None
    training: TrainingSoFar | None = None
    quality: QualitySoFar | None = None
    quality_done: Truth = False
    latency: TimedPair | None = None
    decode_speedup: Number | None = None
    decode_speedup_ci95: Interval | None = None

    @classmethod
    def upgraded(cls, fields: JsonObject, version: int) -> JsonObject:
        """Untyped reports had another shape; only the sizes stay, and the next report tells the rest."""
        return {name: fields[name] for name in ("size_base", "size_candidate") if name in fields}
