"""Where a training will end, told from its first part: a power law through the held-out losses, with a band.

Losses of language models fall as L(x) = floor + scale x^-c in the share x of the training (the learning curves of
arXiv 1712.00409 and 2001.08361). Written by what is asked for,

    L(x) = e + d (x^-c - 1) / (x_1^-c - 1),

e is the loss at the end (x = 1) and d what is still to fall from the first point x_1 on. For a given c this is a
straight line: with flat priors on e, d and log sigma the posterior of e is a Student t, and the weight of each c is
its marginal likelihood (Gelman et al., Bayesian Data Analysis, 3rd ed., section 14.2). The forecast is the mixture of
all c, so its band knows both the noise and how little a short curve says about its bend. NumPy and scipy.special only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FIRST_PART = 0.4
"""Share of the training from which the end is foretold."""
FROM = 0.04
"""Share of the training before which the loss is still that of the start, not of a law."""
FEWEST = 5
LEVEL = 0.9
EXPONENTS = np.linspace(0.02, 2.0, 400)
SMALLEST_NOISE = 1e-3
"""Nats per token: no real curve follows its law more closely."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Forecast:
    """The held-out loss expected at the end, nats per token: its median, and the band that holds it with `level`.

    exponent: the likeliest c. points: how many losses it was made from. share: of the training that they cover.
    """

    nll: float
    low: float
    high: float
    exponent: float
    points: int
    share: float
    level: float = LEVEL

    def holds(self, final: float) -> bool:
        """Whether the loss at the end, once it is known, lies in the band."""
        return self.low <= final <= self.high


def of_training(
    held_out: Sequence[Sequence[float]], steps: int, seconds: float | None, first_part: float = FIRST_PART
) -> Forecast | None:
    """From the held-out curve [[step, nats, seconds], ...] of a training of so many steps or seconds, whichever limit
    comes first; None while fewer than five losses are there to go by. Only the first part of the curve is looked at.
    """
    shares = [max(step / steps, spent / seconds if seconds else 0.0) for step, _, spent in held_out]
    used = [(x, one[1]) for x, one in zip(shares, held_out, strict=True) if FROM <= x <= first_part + 1e-9]
    return fit([x for x, _ in used], [loss for _, loss in used])


def fit(shares: Sequence[float], losses: Sequence[float], level: float = LEVEL) -> Forecast | None:
    """The forecast at share 1 from losses (nats) at rising shares of the training in (0, 1); None for fewer than five,
    or for losses that are not finite."""
    x, y = np.asarray(shares, dtype=np.float64), np.asarray(losses, dtype=np.float64)
    if len(x) < FEWEST or x[-1] >= 1.0 or not np.isfinite(y).all():
        return None
    degrees = len(x) - 2
    columns = (x[None] ** -EXPONENTS[:, None] - 1) / (x[0] ** -EXPONENTS[:, None] - 1)
    design = np.stack((np.ones_like(columns), columns), axis=2)
    gram = design.transpose(0, 2, 1) @ design
    inverse = np.linalg.inv(gram)
    found = (inverse @ (design.transpose(0, 2, 1) @ y)[..., None])[..., 0]
    misses = ((y - (design @ found[..., None])[..., 0]) ** 2).sum(1) + degrees * SMALLEST_NOISE**2
    evidence = -0.5 * np.linalg.slogdet(gram)[1] - degrees / 2 * np.log(misses)
    weights = np.exp(evidence - evidence.max())
    weights /= weights.sum()
    # what will be measured is the law's value and the noise of that one look
    widths = np.sqrt(misses / degrees * (1 + inverse[:, 0, 0]))
    low, middle, high = (
        _quantile(q, found[:, 0], widths, weights, degrees) for q in ((1 - level) / 2, 0.5, (1 + level) / 2)
    )
    return Forecast(middle, low, high, float(EXPONENTS[weights.argmax()]), len(x), float(x[-1]), level)


def _quantile(share: float, centres: Floats, widths: Floats, weights: Floats, degrees: int) -> float:
    """Of a mixture of Student t distributions, by bisection."""
    from scipy.special import stdtr  # imported late, as elsewhere: 0.1 s that most pages need not pay

    low, high = float((centres - 1e3 * widths).min()), float((centres + 1e3 * widths).max())
    for _ in range(50):
        middle = (low + high) / 2
        below = float(weights @ stdtr(degrees, (middle - centres) / widths))
        low, high = (middle, high) if below < share else (low, middle)
    return (low + high) / 2
