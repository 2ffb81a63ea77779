"""Every figure that `llama-perplexity --kl-divergence` prints, over all predicted tokens."""

from __future__ import annotations

from optlab.results.document import Part
from optlab.results.fields import Count, Number


class Estimate(Part):
    """A figure with its standard error; error: None where the tokens give none (a single one, or an infinity)."""

    value: Number
    error: Number | None = None


class Quantiles(Part):
    """Of a figure over tokens."""

    max: Number
    p99_9: Number
    p99: Number
    p95: Number
    p90: Number
    p75: Number
    median: Number
    p25: Number
    p10: Number
    p5: Number
    p1: Number
    p0_1: Number
    min: Number


class Divergence(Quantiles):
    """KL(original || compressed) of a token's prediction, in nats."""

    mean: Estimate


class ProbabilityChange(Quantiles):
    """Change of the true token's probability, in percent of 1, as llama.cpp prints it."""

    mean: Estimate
    rms: Estimate


class Details(Part):
    """correlation: of the losses of both models, in percent; None where one of them never varies. same_top: how often
    both put the same token first, in percent."""

    tokens: Count
    ppl_base: Estimate
    ppl_candidate: Estimate
    correlation: Number | None
    ln_ppl_ratio: Estimate
    ppl_ratio: Estimate
    ppl_difference: Estimate
    kl: Divergence
    delta_p: ProbabilityChange
    same_top: Estimate
