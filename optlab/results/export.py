"""A model as a file to take home: which one in which format, with the figures that its card shows."""

from __future__ import annotations

from typing import Self

from optlab.results.document import Document, Part
from optlab.results.fields import Count, Interval, Name, Number, Passage, Truth, Word
from optlab.results.measurement import Measurement
from optlab.results.specs import RecipeSpec


class Figures(Part):
    """The figures of a measurement that a model card tells; None where something was not measured."""

    text: Word
    tokens: Count
    context: Count
    dtype: Word
    ppl_original: Number
    ppl: Number
    ppl_ratio: Number
    ppl_ratio_ci95: Interval | None
    kl_mean: Number
    top1_agreement: Number
    size_original: Count
    size_bytes: Count
    decode_speedup: Number | None
    decode_speedup_ci95: Interval | None
    processor: Word

    @classmethod
    def of(cls, found: Measurement) -> Self:
        """Those of `found`."""
        delta = found.delta
        return cls(
            text=found.text, tokens=found.tokens, context=found.context, dtype=found.dtype,
            ppl_original=found.baseline.ppl, ppl=found.compressed.ppl,
            ppl_ratio=delta.ppl_ratio, ppl_ratio_ci95=delta.ppl_ratio_ci95,
            kl_mean=delta.kl_mean, top1_agreement=delta.top1_agreement,
            size_original=found.baseline.size_bytes, size_bytes=found.compressed.size_bytes,
            decode_speedup=delta.decode_speedup, decode_speedup_ci95=delta.decode_speedup_ci95,
            processor=found.environment.processor,
        )  # fmt: skip


class ExportSpec(RecipeSpec):
    """format: a name of `optlab.exports.formats`. figures: what was measured of this model, for its card."""

    format: Name
    figures: Figures | None = None


class Export(Document):
    """The file `file` (and README.md, its card) in the folder `artefact`. tensors: how many weights have which form.
    rounding: relative root mean square by which the weights in the file differ from those that were measured, 0 where
    they are the same. sha256: of the file, hex."""

    format: Name
    file: Name
    size_bytes: Count
    sha256: Name
    tensors: dict[Word, Count]
    rounding: Number
    exact: Truth
    card: Passage
    artefact: Word | None = None
