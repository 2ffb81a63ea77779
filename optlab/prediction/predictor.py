"""A recipe in, its loss, size and speed out, each with a band: arrays and sums only, so a slider can ask every time.

`Predictor` holds a probe's tables and a link fitted to its anchors and to whatever was measured since. A recipe that
lies outside of what was probed gets its size, no loss, and the reason why: measure it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Literal

import numpy as np

from optlab.errors import ModelError
from optlab.messages import Message, say
from optlab.prediction.link import OTHER, SAME, SETS, USUAL, Features, Link, read_by
from optlab.prediction.recovery import ALONE, NORMAL, SMALLEST, Recovery, Trained, trained
from optlab.prediction.searched import Bargains
from optlab.prediction.size import recipe_bytes
from optlab.prediction.speed import Speed, SpeedModel, TimedRatio
from optlab.prediction.state import VERSION, Floats, State, known
from optlab.prediction.treatment import TINY, Damage, Outside, Treatment, damage, treatment
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.results.prediction import Predicted, PredictedDelta
from optlab.results.probe import Anchor, SpeedAnchors

Band = tuple[float, float]
WordsKnown = Literal["measured", "anchors", "none"]
"""On which words the slope of a loss is known: those of a default measurement, those of the anchors, on neither."""
FAMILIES = ("quantize rtn", "quantize gptq", "prune magnitude", "prune wanda", "prune sparsegpt")
"""Methods that have an axis of their own in the link; others of a kind share the last one."""
ROUNDING = FAMILIES.index("quantize rtn")
"""The axis of embedding and head, whichever way they are rounded."""

REMEMBERED = 256
"""Predictions that are kept: a page asks for the same one in several places."""


@dataclass(frozen=True)
class Prediction:
    """What to expect of a recipe. Losses in nats per token against the original, bands hold 90 %.

    reason: why the loss is not known; None where it is. size_bytes: None only where the shape of the model is not
    known. speed: None where this machine was not timed. trainings: for a recipe that trains, how many finished
    trainings of its kind the guess was learned from; None for any other.
    """

    model: str
    recipe: Recipe
    reason: str | None
    size_bytes: int | None = None
    nll: float | None = None
    nll_band90: Band | None = None
    kl: float | None = None
    speed: Speed | None = None
    anchors: int = 0
    trainings: int | None = None

    @property
    def note(self) -> Message | None:
        """What must be said of a prediction, as a sentence; None for most."""
        if self.trainings is None:
            return None
        if not self.trainings:
            return say("what training wins back is not known yet: between nothing and all of the loss before it")
        return say(
            "what training wins back was learned from finished trainings of its kind: {count}", count=self.trainings
        )

    @property
    def decode_ms(self) -> float | None:
        """Milliseconds per token."""
        return None if self.speed is None else self.speed.ms

    @property
    def decode_band90(self) -> Band | None:
        return None if self.speed is None else self.speed.ms_band90

    @property
    def ppl_ratio(self) -> float | None:
        """Perplexity over the original's."""
        return None if self.nll is None else math.exp(min(self.nll, 700.0))

    @property
    def ppl_ratio_band90(self) -> Band | None:
        if self.nll_band90 is None:
            return None
        low, high = (math.exp(min(edge, 700.0)) for edge in self.nll_band90)
        return low, high

    def document(self) -> Predicted:
        """As it is kept beside a measurement, and printed by `predict --json`."""
        delta = None
        if self.nll is not None and self.nll_band90 is not None and self.ppl_ratio is not None:
            delta = PredictedDelta(
                nll=self.nll, nll_band90=self.nll_band90, ppl_ratio=self.ppl_ratio,
                ppl_ratio_band90=self.ppl_ratio_band90, kl_mean=self.kl,
            )  # fmt: skip
        return Predicted(
            model=self.model, recipe=self.recipe, inside_probed_range=self.reason is None, reason=self.reason,
            note=self.note,
            size_bytes=self.size_bytes, delta=delta, decode_ms_per_token=self.decode_ms,
            decode_band90=self.decode_band90, decode_speedup=self.speed and self.speed.speedup,
            decode_speedup_band90=self.speed and self.speed.speedup_band90, anchors=self.anchors,
        )  # fmt: skip


@dataclass(frozen=True)
class Observation:
    """What one measurement teaches. nll: difference of the loss to the original, kl: divergence from it, nats per
    token; over `tokens` tokens."""

    recipe: Recipe
    nll: float
    kl: float
    tokens: int


class Predictor:
    """Predictions for one model on one text. measured: finished measurements there, which the link learns from as well
    as from the anchors of `state`. text: None is the text of the probe. timed: what this machine timed, None for
    nothing; speeds: what measurements timed here since."""

    def __init__(
        self, state: State, measured: Iterable[Observation] = (), text: str | None = None,
        timed: SpeedAnchors | None = None, speeds: Iterable[TimedRatio] = (),
    ) -> None:  # fmt: skip
        measured = list(measured)
        self.state = state
        self.kinds = sorted(set(state.kinds))
        self._of_kind = np.array([[kind == one for one in self.kinds] for kind in state.kinds], dtype=float)
        self._bargains = Bargains(state)
        known: dict[str, tuple[Observation, Features]] = {}
        own = text in (None, state.text)
        self._words = read_by(None, SAME if own else OTHER)
        self._on: WordsKnown = "measured" if own else "none"
        for words, on, one in [*_anchors(state), *((self._words, self._on, one) for one in measured)]:
            try:
                done = treatment(state, one.recipe)
                found = damage(state, done)
            except Outside:
                continue
            if found.total.sum() + found.ends > 0:
                known[one.recipe.content_hash] = one, self._features(done, found, words, on)
        self.anchors = len(known)
        self.link = Link(
            joined([features for _, features in known.values()], len(FAMILIES), 2 * len(self.kinds) + 1),
            *(np.array([float(getattr(one, name)) for one, _ in known.values()]) for name in ("kl", "nll", "tokens")),
        )
        self.speed = SpeedModel(state, timed, speeds)
        self.recovery = Recovery()
        self._told: dict[tuple[str, int], Prediction] = {}
        self.recovery = Recovery(self._shares(measured))

    @classmethod
    def load(cls, fingerprint: str, measured: Iterable[Observation] = ()) -> Predictor:
        """That of the model with these weights. Raises ModelError when it was not probed."""
        probe = known(fingerprint)
        if probe is None:
            raise ModelError("the model was not probed yet; run a probe first, which takes a few minutes")
        return cls(State.load(probe), measured)

    def predict(self, recipe: Recipe, tokens: int = 8192) -> Prediction:
        """What to expect of `recipe`, measured on `tokens` tokens; at once when it was asked before."""
        asked = (recipe.content_hash, tokens)
        if asked not in self._told:
            if len(self._told) >= REMEMBERED:
                self._told.clear()
            self._told[asked] = self._predict(recipe, tokens)
        return self._told[asked]

    def _predict(self, recipe: Recipe, tokens: int) -> Prediction:
        try:
            if (training := trained(recipe)) is not None:
                return self._predict_trained(recipe, training, tokens)
            done = treatment(self.state, recipe)
        except Outside as outside:
            return Prediction(self.state.model, recipe, str(outside), anchors=self.anchors)
        speed = self.speed(done)
        try:
            found = damage(self.state, done)
        except Outside as outside:
            size = recipe_bytes(self.state, done, None)
            return Prediction(self.state.model, recipe, str(outside), size, speed=speed, anchors=self.anchors)
        size = recipe_bytes(self.state, done, found)
        if found.total.sum() + found.ends <= 0:
            return Prediction(self.state.model, recipe, None, size, 0.0, (0.0, 0.0), 0.0, speed, self.anchors)
        out = self.link(self._features(done, found, self._words, self._on), tokens)
        edges = (float(out.low[0]), float(out.high[0]))
        return Prediction(
            self.state.model, recipe, None, size, float(out.nll[0]), edges, float(out.kl[0]), speed, self.anchors
        )

    def _predict_trained(self, recipe: Recipe, training: Trained, tokens: int) -> Prediction:
        """The recipe without training, of whose loss the training wins a share back."""
        whole, before = self.predict(training.untrained, tokens), self.predict(training.before, tokens)
        if whole.nll is None or whole.nll_band90 is None or before.nll is None:
            return replace(whole, recipe=recipe)
        won, deviation = self.recovery.share(training.kind)
        doubt = NORMAL * math.hypot(deviation * max(before.nll, 0.0), ALONE)
        nll = whole.nll - won * before.nll
        # What is not known of the loss before the training is won back with it.
        left = min(max(nll / whole.nll, 0.0), 1.0) if whole.nll > 0 else 1.0
        low, high = (left * abs(edge - whole.nll) for edge in whole.nll_band90)
        band = nll - math.hypot(doubt, low), nll + math.hypot(doubt, high)
        return replace(
            whole, recipe=recipe, nll=nll, nll_band90=band, kl=None, trainings=self.recovery.trainings(training.kind)
        )

    def _shares(self, measured: Iterable[Observation]) -> Iterator[tuple[str, float]]:
        """What finished trainings won back, of what is predicted without them."""
        for one in measured:
            try:
                training = trained(one.recipe)
            except Outside:
                continue
            if training is None:
                continue
            whole, before = self.predict(training.untrained), self.predict(training.before)
            if whole.nll is not None and before.nll is not None and before.nll > SMALLEST:
                yield training.kind, (whole.nll - one.nll) / before.nll

    def _features(self, done: Treatment, found: Damage, words: Floats, on: WordsKnown) -> Features:
        total = float(found.total.sum()) + found.ends
        families = np.zeros(len(FAMILIES))
        families[ROUNDING] += found.ends
        for keys, amounts in ((done.quantizing, found.quantized), (done.pruning, found.pruned)):
            for key, amount in zip(keys, amounts, strict=True):
                if key:
                    families[axis(key)] += amount
        kinds = np.concatenate([found.quantized @ self._of_kind, found.pruned @ self._of_kind, [found.ends]])
        whole = max(total, 1e-12)
        searched = np.array([self._bargains.share(done, found)])
        known = {"measured": found.slope, "anchors": found.anchor_slope, "none": np.zeros(1)}[on]
        slope = np.array([float(known.sum())])
        lies = found.total.sum()
        error = float((found.error * found.total).sum() / lies) if lies > 0 else math.exp(USUAL)
        return Features(
            np.array([total]), families[None] / whole, kinds[None] / whole,
            np.array([math.log(max(error, TINY)) - USUAL]), words[None], searched, slope,
        )  # fmt: skip


def _anchors(state: State) -> list[tuple[Floats, WordsKnown, Observation]]:
    """What a probe measured, each with how its words were read."""
    return [
        (_words_of(state, one), "anchors", Observation(one.recipe, one.nll, one.kl, one.tokens))
        for one in state.anchors
        if one.nll is not None and one.kl is not None and isinstance(one.recipe, Recipe)
    ]


def _words_of(state: State, one: Anchor) -> Floats:
    """How an anchor's words were read: among those of a default measurement, or (by earlier probes) behind them."""
    among = Protocol().tokens * one.windows // one.tokens if state.rule == VERSION else None
    return read_by(one.windows, among=among)


@cache
def axis(key: str) -> int:
    """The axis of the link for a family."""
    name = " ".join(key.split(" ")[:2])
    return FAMILIES.index(name) if name in FAMILIES else len(FAMILIES) - 1


def joined(some: list[Features], families: int, kinds: int) -> Features:
    """Features of several recipes in one."""
    if not some:
        nothing = np.zeros(0)
        shares, kinds_there, words = (np.zeros((0, size)) for size in (families, kinds, SETS))
        return Features(nothing, shares, kinds_there, nothing, words, nothing, nothing)
    return Features(*(np.concatenate([getattr(one, part.name) for one in some]) for part in fields(Features)))
