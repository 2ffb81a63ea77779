"""What is claimed of recipes before they are measured.

`Predicted` is kept in a measurement's spec; with its record it is `optlab predict --json`. `FrontierPoints` is
`optlab frontier --json`.
"""

from __future__ import annotations

import math

from optlab.results.document import Document, Part
from optlab.results.fields import Count, Number, Sentence, Truth, Word
from optlab.results.recipe import RecipeField

Band = tuple[Number | None, Number | None]
"""Low and high; None is an end that is open (JSON has no infinity)."""


class PredictedDelta(Part):
    """Against the original, nats per token; bands hold 90 %."""

    nll: Number
    nll_band90: Band
    ppl_ratio: Number
    ppl_ratio_band90: Band | None = None
    kl_mean: Number | None = None

    @property
    def band(self) -> tuple[float, float]:
        """`nll_band90` with open ends as infinities."""
        low, high = self.nll_band90
        return (-math.inf if low is None else low, math.inf if high is None else high)


class Predicted(Document):
    """reason: why there are no figures, None where there are. note: what must be said of them, None for most.
    decode_speedup: how many times faster a token is made than by the original on the same machine; decode_ms_per_token
    is the original's, as timed last, over it. anchors: measurements that it was learned from."""

    model: Word
    recipe: RecipeField
    inside_probed_range: Truth
    reason: Sentence | None = None
    note: Sentence | None = None
    size_bytes: Count | None = None
    delta: PredictedDelta | None = None
    decode_ms_per_token: Number | None = None
    decode_band90: Band | None = None
    decode_speedup: Number | None = None
    decode_speedup_band90: Band | None = None
    anchors: Count = 0


class Record(Part):
    """How right earlier predictions were: how many were measured since, how many of those lay inside their band, and
    the median of |predicted - measured| / |measured|."""

    measured: Count
    inside: Count
    median_error: Number | None = None


class PredictedWithRecord(Predicted):
    """ledger: of all predictions of this model that were measured."""

    ledger: Record


class FrontierPoint(Part):
    """A recipe that no smaller one is predicted to beat. Against the original, nats per token; None where its quality
    or speed is not predicted."""

    size_bytes: Count
    nll: Number | None = None
    nll_band90: Band | None = None
    ppl_ratio: Number | None = None
    kl_mean: Number | None = None
    decode_ms_per_token: Number | None = None
    recipe: RecipeField


class FrontierPoints(Document):
    """points: the smallest first."""

    model: Word
    points: tuple[FrontierPoint, ...]
