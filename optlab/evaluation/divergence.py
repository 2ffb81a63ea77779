"""How far a compressed model's predictions moved: every figure that `llama-perplexity --kl-divergence` prints.

Engineers know these lines by heart, so they are all here, over all predicted tokens (llama.cpp takes the second half of
each window). Their errors treat tokens as independent and come out too small; OptLab's own interval is the one over
windows (`paired`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from optlab.evaluation.paired import exponential
from optlab.evaluation.scoring import Floats
from optlab.results.divergence import Details, Divergence, Estimate, ProbabilityChange

QUANTILES = {
    "max": 1.0, "p99_9": 0.999, "p99": 0.99, "p95": 0.95, "p90": 0.9, "p75": 0.75, "median": 0.5, "p25": 0.25,
    "p10": 0.1, "p5": 0.05, "p1": 0.01, "p0_1": 0.001, "min": 0.0,
}  # fmt: skip


@np.errstate(over="ignore", invalid="ignore")
def details(
    base: Floats, candidate: Floats, divergence: Floats, probability_change: Floats, same_top: NDArray[np.bool_]
) -> Details:
    """Statistics over N tokens (arrays [N]: losses of both models in nats, KL in nats, change of the true token's
    probability, agreement of the first choice). Probabilities are in percent, as llama.cpp prints them.
    """
    pair = np.stack([candidate, base])
    covariance = np.cov(pair) / len(base) if len(base) > 1 else np.full((2, 2), np.nan)  # of the two means
    ppl_base, ppl_candidate = exponential(float(base.mean())), exponential(float(candidate.mean()))
    log_ratio = float((candidate - base).mean())
    log_error = _standard_error(candidate - base)
    spread = math.sqrt(covariance[0, 0] * covariance[1, 1])
    # Delta method on exp(a) - exp(b): the gradient is (exp(a), -exp(b)).
    gradient = np.array([ppl_candidate, -ppl_base])
    difference_error = math.sqrt(max(float(gradient @ covariance @ gradient), 0.0))
    change = 100 * probability_change
    square = float((change**2).mean())
    agreement = 100 * same_top.astype(np.float64)
    return Details(
        tokens=len(base),
        ppl_base=_with(ppl_base, ppl_base * math.sqrt(covariance[1, 1])),
        ppl_candidate=_with(ppl_candidate, ppl_candidate * math.sqrt(covariance[0, 0])),
        correlation=100 * float(covariance[0, 1]) / spread if spread > 0 else None,
        ln_ppl_ratio=_with(log_ratio, log_error),
        ppl_ratio=_with(exponential(log_ratio), exponential(log_ratio) * log_error),
        ppl_difference=_with(ppl_candidate - ppl_base, difference_error),
        kl=Divergence(mean=_with(float(divergence.mean()), _standard_error(divergence)), **_quantiles(divergence)),
        delta_p=ProbabilityChange(
            mean=_with(float(change.mean()), _standard_error(change)),
            **_quantiles(change),
            rms=_with(math.sqrt(square), _standard_error(change**2) / (2 * math.sqrt(square)) if square else 0.0),
        ),
        same_top=_with(float(agreement.mean()), _standard_error(agreement)),
    )


def _with(value: float, error: float) -> Estimate:
    return Estimate(value=value, error=error if math.isfinite(error) else None)


def _standard_error(values: Floats) -> float:
    return float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan


def _quantiles(values: Floats) -> dict[str, float]:
    found = np.quantile(values, list(QUANTILES.values()))
    return dict(zip(QUANTILES, map(float, found), strict=True))
