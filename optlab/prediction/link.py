"""From predicted damage to measured divergence and loss: a smooth link fitted to anchors, and a band from its misses.

The sum of the layers' damages is right for small changes and ever more wrong for large ones, where errors of one layer
meet errors of the next; how wrong depends on the kind of change. So log(KL / damage) is modelled as a sum of smooth
functions: of the logarithm of the damage, the same for each family's share, and small tilts for the kinds of layers
where the damage lies. All have Gaussian priors around 0, which makes the fit a Gaussian process (kriging): ridge
regression in closed form, stiff where there are few anchors. A difference of losses is the divergence times a factor,
which is fitted in the same way, because sampling noise hides small losses but not small divergences.

A loss (unlike a divergence) depends on the words, and most of how is known beforehand: a change D of the weights moves
the loss on given words by <dL/dW, D> to first order, and the original alone tells dL/dW (`calibrate.gradients`). That
is taken off a measured loss before the factor is fitted and added to a predicted one, damped where D is so large that
a slope no longer says where one comes out. On seven models it explains 0.8 to 0.97 (correlation) of how losses differ
from divergences, with a coefficient of 0.97 below 0.01 nats, 0.85 at 0.3, 0.74 at 2 and 0.48 at 5 (28 November 2026).

What is left of the words is an unknown offset of every set of them, shared by all that is measured on it: the windows
that the anchors read, as far as they are not all of a default measurement, and the words of a person's measurements,
which the first of those teach. The size of the latter is part of the band.

The 90 % band is that of the jackknife (Barber et al., arXiv 1905.02928, section 1.2), in closed form: leave-one-out
misses in units of the model's own doubt, so that it is wide where anchors are far away. The doubt has two parts,
because a divergence is wrong by a factor and a loss by a share of the divergence: pruning 15 % of SmolLM2 costs a tenth
of its divergence, and no factor says how near that is to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from optlab.prediction.state import Floats

COVERED, NORMAL = 0.9, 1.645
OFFSET, BEND, FAMILY, TILT = 0.2, 0.25, 0.25, 0.2
"""Prior standard deviations: a common factor, its bend along the damage, a family's own, tilts by kinds of layers. From
one model to the next the factor moves by 0.14, from one recipe to the next by 0.12 (see `RATIO_MEAN`)."""
STRENGTH, USUAL = 0.15, -4.0
"""Prior standard deviation of a tilt along the logarithm of the relative error of the weights, and where it is nothing:
the same damage may lie in few weights that change much or in many that change little."""
RATIO, RATIO_BEND, RATIO_FAMILY, RATIO_BOTH, RATIO_TILT = 0.15, 0.1, 0.1, 0.1, 0.15
"""The same of the loss over the divergence; the fourth is the bend of a family's own, the last tilts by kinds."""
RATIO_MEAN = -0.22
"""The loss over the divergence, less 1, that is expected of a model before its first anchor: so it was on average on
nano, SmolLM2 and five small models trained for this (1 to 9 million parameters, three texts), with a deviation of
0.14 between models and 0.05 within one. What six of them say of the seventh held 95 % of its 585 recipes in bands of
90 %, with a median error of 14 %."""
SEARCHED = 0.35
"""Prior standard deviation of the offset of recipes that a search proposed."""
BELIEVED = 10
"""Misses of a normal distribution that are counted beside those of the anchors: as many anchors say little about a
tenth of all cases, and one odd measurement must not open every band."""
NORMAL_MISSES = np.array([NormalDist().inv_cdf(0.5 + (rank + 0.5) / (2 * BELIEVED)) for rank in range(BELIEVED)])
SAME, OTHER = 0.05, 0.3
"""Of what a measurement's words are to a text as a whole: the text of the anchors, another one."""
RATIO_OTHER, APART, UNREAD = 0.8, 0.6, 0.4
"""The loss over the divergence on another text, whose words the original has not read for their slope: by so much it is
off for all recipes, of which this share is a family's own (pruning half of nano gains on news what rounding loses), and
so much for a single recipe."""
WINDOW = 0.1
"""Of what one window is to the text, once the slope on its words is known."""
WINDOWS = 4
"""That the anchors of a probe read which somebody waits for."""
SETS = 3
"""Of words: those of the anchors, those of a person's measurements on their text, another text."""
LENGTH = 2.0
"""How far along log(damage) one anchor speaks for another."""
NOISE = 4.0
"""Variance of the difference of two losses at one token, in units of its mean KL: 2 where the change is small and even,
more because it is not."""
MISFIT = 0.055
"""Relative error that no fit of the divergence takes away."""
DAMPED, DAMPING = 0.35, 0.7
"""A first-order change of the loss counts 1 / (1 + DAMPED * divergence ** DAMPING) times."""


@dataclass(frozen=True)
class Features:
    """Of n recipes. total [n]: summed damage in nats; families [n, f], kinds [n, k]: where it lies, as shares.
    error [n]: logarithm of the relative error |D|^2 / |W|^2 of the weights where it lies, less `USUAL`. words
    [n, SETS]: how much of the offset of each set of words is in it, see `read_by`. searched [n]: how much each is owed
    to a search, see `optlab.prediction.searched`. slope [n]: nats of loss to first order on the words at hand."""

    total: Floats
    families: Floats
    kinds: Floats
    error: Floats
    words: Floats
    searched: Floats
    slope: Floats

    def __getitem__(self, some: NDArray[np.bool_]) -> Features:
        return Features(*(getattr(self, part.name)[some] for part in fields(self)))

    def __len__(self) -> int:
        return len(self.total)


@dataclass(frozen=True)
class Outcome:
    """Of n recipes, each array [n]: divergence and difference of losses in nats, the latter with its 90 % band."""

    kl: Floats
    nll: Floats
    low: Floats
    high: Floats


def read_by(windows: int | None, elsewhere: float = 0.0, among: int | None = None) -> Floats:
    """Row [SETS] of `Features.words` for an anchor that read so many windows `among` those of a default measurement
    (None: others), or (None) for a measurement by a person, whose words differ from the text by `elsewhere`."""
    if windows is None:
        return np.array([0.0, 0.0, elsewhere]) if elsewhere > SAME else np.array([0.0, elsewhere, 0.0])
    left = 1 / windows - (1 / among if among else 0.0)
    return np.array([WINDOW * max(left, 0.0) ** 0.5, 0.0, 0.0])


class Link:
    """Fitted to anchors: features, and what was measured (nats). tokens [n]: on how many each was measured."""

    def __init__(self, features: Features, kl: Floats, nll: Floats, tokens: Floats) -> None:
        usable = (kl > 1e-7) & (features.total > 1e-9) & np.isfinite(kl) & np.isfinite(nll)
        self.anchors = features[usable]
        kl, nll, tokens = kl[usable], nll[usable], np.maximum(tokens[usable], 1.0)
        noise = NOISE / (kl * tokens)
        self.target = np.log(kl / self.anchors.total)
        self.noise = MISFIT**2 + noise / 4
        self.ratio_target = (nll - first_order(self.anchors.slope, kl)) / kl - 1.0 - RATIO_MEAN
        self.ratio_noise = MISFIT**2 + noise + unread(self.anchors)
        self.inverse = np.linalg.inv(kernel(self.anchors, self.anchors) + np.diag(self.noise))
        self.ratio_inverse = np.linalg.inv(ratio_kernel(self.anchors, self.anchors) + np.diag(self.ratio_noise))
        self.measured = nll
        self.misses = self._misses()

    def _misses(self) -> Floats:
        """Leave-one-out misses of the difference of losses, in units of doubt; an anchor's noise is part of both."""
        if not len(self.target):
            return np.zeros(0)
        rest, ratio_rest = np.diag(self.inverse), np.diag(self.ratio_inverse)
        kl = self.anchors.total * np.exp(self.target - (self.inverse @ self.target) / rest)
        predicted = kl * factor(self.ratio_target - (self.ratio_inverse @ self.ratio_target) / ratio_rest, self.anchors)
        predicted += first_order(self.anchors.slope, kl)
        found = self.measured - predicted
        below, above = spread(kl, predicted, 1 / rest, 1 / ratio_rest, 1.0)
        misses: Floats = found / np.where(found < 0, below, above)
        return misses

    def __call__(self, features: Features, tokens: int = 8192) -> Outcome:
        """What to expect. tokens: of the measurement that the band is for, whose own noise is part of it."""
        total = np.maximum(features.total, 1e-12)
        kl = total * np.exp(kernel(features, self.anchors) @ (self.inverse @ self.target))
        nll = kl * factor(ratio_kernel(features, self.anchors) @ (self.ratio_inverse @ self.ratio_target), features)
        nll += first_order(features.slope, kl)
        known, ratio_known = self._variances(replace(features, words=np.zeros((len(features), SETS))))
        whole, ratio_whole = self._variances(features)
        below, above = spread(kl, nll, known + MISFIT**2, ratio_known + MISFIT**2, edge(self.misses))
        # Anchors cannot miss by words that none of them has read, so the edge says nothing about those.
        foreign = spread(kl, nll, np.maximum(whole - known, 0), np.maximum(ratio_whole - ratio_known, 0), NORMAL)
        sampling = NORMAL * np.sqrt(NOISE * kl / tokens)
        low = nll - np.sqrt(below**2 + foreign[0] ** 2 + sampling**2)
        high = nll + np.sqrt(above**2 + foreign[1] ** 2 + sampling**2)
        return Outcome(kl, nll, low, high)

    def _variances(self, features: Features) -> tuple[Floats, Floats]:
        """Of the logarithm of the divergence, and of loss over divergence, as the priors see them."""
        found = []
        for prior, inner, inverse in (
            (prior_variance, kernel, self.inverse),
            (ratio_prior, ratio_kernel, self.ratio_inverse),
        ):
            between = inner(features, self.anchors)
            known = np.einsum("ij,jk,ik->i", between, inverse, between)
            found.append(np.maximum(prior(features) - known, 0.0))
        return found[0], found[1]


def spread(kl: Floats, nll: Floats, variance: Floats, ratio_variance: Floats, edge: float) -> tuple[Floats, Floats]:
    """How far below and above `nll` lie `edge` standard deviations. variance: of the logarithm of the divergence, which
    moves the loss by a factor; ratio_variance: of loss over divergence, which moves it by a share of the divergence,
    however small the loss is."""
    doubt, shift = edge * np.sqrt(variance), edge * np.sqrt(ratio_variance) * kl
    size = np.abs(nll)
    return np.hypot(size * (1 - np.exp(-doubt)), shift), np.hypot(size * (np.exp(doubt) - 1), shift)


def factor(ratio: Floats, features: Features) -> Floats:
    """Loss over divergence, but for the first order. ratio: how far it is from what earlier models showed. Noise
    must not turn it negative, but on another text a model may gain by what it loses on its own."""
    found: Floats = np.where(
        features.words[:, 2] > 0, 1.0 + RATIO_MEAN + ratio, np.maximum(1.0 + RATIO_MEAN + ratio, 0.0)
    )
    return found


def unread(features: Features) -> Floats:
    """Variance of loss over divergence that is a single recipe's own, where nobody knows the slope on the words."""
    found: Floats = np.where(features.words[:, 2] > 0, UNREAD**2, 0.0)
    return found


def first_order(slope: Floats, kl: Floats) -> Floats:
    """What `slope` adds to the loss of recipes that diverge by `kl`; all [n], nats."""
    found: Floats = slope / (1 + DAMPED * np.maximum(kl, 0.0) ** DAMPING)
    return found


def edge(misses: Floats) -> float:
    """How many times its doubt a further miss stays below in nine of ten cases: conformal, over the misses and as many
    of a normal distribution as are believed in before there are any."""
    size = np.sort(np.concatenate([np.abs(misses), NORMAL_MISSES]))
    return float(size[min(int(np.ceil(COVERED * (len(size) + 1))) - 1, len(size) - 1)])


def kernel(one: Features, other: Features) -> Floats:
    """Prior covariance of log(KL / damage)."""
    bend = along(one, other)
    shared = one.families @ other.families.T
    found: Floats = OFFSET**2 + BEND**2 * bend + FAMILY**2 * shared * (1 + bend) + TILT**2 * (one.kinds @ other.kinds.T)
    found += STRENGTH**2 * one.error[:, None] * other.error
    return found + words_kernel(one, other, shared, 1.0) + SEARCHED**2 * one.searched[:, None] * other.searched


def prior_variance(features: Features) -> Floats:
    """The diagonal of `kernel`."""
    shared, kinds = (features.families**2).sum(1), (features.kinds**2).sum(1)
    found: Floats = OFFSET**2 + BEND**2 + 2 * FAMILY**2 * shared + TILT**2 * kinds
    found += words_variance(features, shared, 1.0)
    return found + (SEARCHED * features.searched) ** 2 + (STRENGTH * features.error) ** 2


def ratio_kernel(one: Features, other: Features) -> Floats:
    """Prior covariance of (loss difference / divergence) - 1: one number for a model and a text, where damage is large.
    A little noise may even help a model that is too sure of itself, and how much is a matter of its kind: pruning 20 %
    of SmolLM2 costs 0.35 of its divergence, rounding to 5 bits all of it."""
    shared, bend = one.families @ other.families.T, along(one, other)
    found: Floats = RATIO**2 + RATIO_BEND**2 * bend + RATIO_FAMILY**2 * shared + RATIO_BOTH**2 * shared * bend
    found += RATIO_TILT**2 * (one.kinds @ other.kinds.T)
    return found + words_kernel(one, other, shared, RATIO_OTHER / OTHER)


def ratio_prior(features: Features) -> Floats:
    """The diagonal of `ratio_kernel`."""
    shared, kinds = (features.families**2).sum(1), (features.kinds**2).sum(1)
    found: Floats = RATIO**2 + RATIO_BEND**2 + (RATIO_FAMILY**2 + RATIO_BOTH**2) * shared + RATIO_TILT**2 * kinds
    return found + words_variance(features, shared, RATIO_OTHER / OTHER) + unread(features)


def words_kernel(one: Features, other: Features, shared: Floats, foreign: float) -> Floats:
    """What two recipes share because the same words were read. shared: covariance of their families; foreign: how many
    times more another text counts than for the divergence."""
    near, far = one.words[:, :2] @ other.words[:, :2].T, np.outer(one.words[:, 2], other.words[:, 2])
    found: Floats = near + foreign**2 * far * (1 - APART + APART * shared)
    return found


def words_variance(features: Features, shared: Floats, foreign: float) -> Floats:
    """The diagonal of `words_kernel`."""
    near, far = (features.words[:, :2] ** 2).sum(1), features.words[:, 2] ** 2
    found: Floats = near + foreign**2 * far * (1 - APART + APART * shared)
    return found


def along(one: Features, other: Features) -> Floats:
    """1 for equal total damage, falling off with the distance of logarithms."""
    x, y = np.log(np.maximum(one.total, 1e-12)), np.log(np.maximum(other.total, 1e-12))
    # Below a hundredth of a nat the quadratic form holds: there is nothing left to bend.
    x, y = np.maximum(x, np.log(0.01)), np.maximum(y, np.log(0.01))
    found: Floats = np.exp(-0.5 * ((x[:, None] - y[None, :]) / LENGTH) ** 2)
    return found
