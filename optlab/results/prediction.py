"""What was claimed of a recipe before it was measured: `optlab predict --json`, and kept in a measurement's spec."""

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
    """reason: why there are no figures, None where there are. anchors: measurements that it was learned from."""

    model: Word
    recipe: RecipeField
    inside_probed_range: Truth
    reason: Sentence | None = None
    size_bytes: Count | None = None
    delta: PredictedDelta | None = None
    decode_ms_per_token: Number | None = None
    decode_band90: Band | None = None
    anchors: Count = 0
