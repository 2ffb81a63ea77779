"""Lesson 13: speculative decoding. A small model drafts some tokens, the large one reads them all in one pass and keeps
those that it might have written itself; what is written is distributed exactly as if it had written alone.

With target p and draft q, a drafted token x is kept with the chance min(1, p(x) / q(x)); the first that is not kept is
drawn anew from max(0, p - q), normalized (Leviathan et al. 2022, arXiv 2211.17192, algorithm 1). So a token is kept
with the chance sum min(p, q) = 1 - total variation (corollary 3.6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optlab.lessons import combination, forward, tokens
from optlab.lessons.weights import Array, Weights


@dataclass(frozen=True)
class Agreement:
    """Target and draft on one text of T tokens, at one temperature.

    tokens [T]: as they read. target, draft [T, V]: chances of the token after each. accepted [T]: the chance that a
    token drafted there is kept.
    """

    tokens: list[str]
    target: Array
    draft: Array
    accepted: Array

    @property
    def acceptance(self) -> float:
        """The mean over the text: alpha of the paper."""
        return float(self.accepted.mean())


@dataclass(frozen=True)
class Written:
    """What was really written. ids [N]; drafted [N]: whether the token was the draft's, or the target's own. passes:
    of the target; of them a plain decoder would need N."""

    ids: list[int]
    drafted: list[bool]
    passes: int


def draft(target: Weights, bits: int, dropped: int) -> tuple[Weights, float]:
    """A smaller copy of `target`, rounded to `bits` without `dropped` of its blocks, and the bytes that it reads for a
    token over those that the target reads: the time of a pass where memory is what limits it. Both read the whole
    head."""
    small, whole = (
        combination.made(target, bits, 0.0, dropped),
        combination.made(target, combination.FLOAT_BITS, 0.0, 0),
    )
    head = target["model.embed_tokens" if "lm_head.weight" not in target.checkpoint.tensors else "lm_head"].size * 2
    return small.model, (small.bytes + head) / (whole.bytes + head)


def agreement(target: Weights, draft: Weights, text: str, temperature: float = 1.0) -> Agreement:
    """Both models read `text`. Raises TextError when it has too few tokens or too many."""
    ids = tokens.encoded(target, text, most=256)
    p, q = (chances(model, ids, temperature) for model in (target, draft))
    return Agreement(tokens.spelled(target, ids), p, q, np.minimum(p, q).sum(-1))


def chances(model: Weights, ids: Sequence[int], temperature: float) -> Array:
    """Probabilities [T, V] of the token after each, float64."""
    return forward.softmax(forward.trace(model, ids).logits.astype(np.float64) / temperature)


def left_over(p: Array, q: Array) -> Array:
    """What the target draws from [V] where it does not keep the drafted token: p where q was too small, normalized."""
    more = np.maximum(p - q, 0)
    return more / more.sum() if more.sum() > 0 else p


def tokens_per_pass(acceptance: float, drafted: int) -> float:
    """Tokens that a pass of the target yields where each of `drafted` is kept with the same chance (equation 1)."""
    return sum(acceptance**k for k in range(drafted + 1))


def speedup(acceptance: float, drafted: int, cost: float) -> float:
    """How many times faster than the target alone; cost: time of a pass of the draft over one of the target (theorem
    3.8). Below 1 it is slower."""
    return tokens_per_pass(acceptance, drafted) / (drafted * cost + 1)


def write(
    target: Weights, draft: Weights, ids: Sequence[int], count: int, drafted: int, temperature: float, seed: int
) -> Written:
    """Continue `ids` by `count` tokens with the algorithm itself, `drafted` tokens at a time; the draw is seeded."""
    random = np.random.default_rng(seed)
    written, passes = list(ids), 0
    by_draft: list[bool] = []
    while len(by_draft) < count:
        start = len(written)
        asked = []
        for _ in range(drafted):
            asked.append(chances(draft, written, temperature)[-1])
            written.append(_draw(random, asked[-1]))
        told = chances(target, written, temperature)[start - 1 :]
        passes += 1
        kept = 0
        while kept < drafted and random.random() < _keep(told[kept], asked[kept], written[start + kept]):
            kept += 1
        own = told[kept] if kept == drafted else left_over(told[kept], asked[kept])
        written = [*written[: start + kept], _draw(random, own)]
        by_draft += [True] * kept + [False]
    return Written(written[len(ids) :], by_draft, passes)


def _keep(p: Array, q: Array, token: int) -> float:
    return float(min(1.0, p[token] / q[token]))


def _draw(random: np.random.Generator, p: Array) -> int:
    return int(random.choice(len(p), p=p / p.sum()))
