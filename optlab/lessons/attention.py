"""Lesson 1: what a Transformer does to a sentence, block by block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optlab.lessons import forward, tokens
from optlab.lessons.weights import Array, Weights

GUESSES = 3


@dataclass(frozen=True)
class Walk:
    """A sentence of T tokens on its way through B blocks.

    tokens: as they read. attention [B, heads, T, T]: row t of a head sums to 1 over the tokens up to t. stream [B + 1,
    T]: root mean square of the residual stream before block 0 and after each. attention_step, feed_forward_step [B, T]:
    root mean square of what the two halves of a block add. normed [B, T]: root mean square of what attention reads.
    neurons [B, T, F]: the inner numbers of the feed-forward. guesses[b][t]: the best next tokens, with probability, if
    the model stopped before block b (b = B: the model's answer).
    """

    tokens: list[str]
    attention: Array
    stream: Array
    attention_step: Array
    feed_forward_step: Array
    normed: Array
    neurons: Array
    guesses: list[list[list[tuple[str, float]]]]


def walk(model: Weights, text: str) -> Walk:
    """Run `text` through `model`. Raises TextError when it is too short or too long.

    The guesses between blocks read the stream as if it were the last one (the "logit lens", nostalgebraist 2020).
    """
    ids = tokens.encoded(model, text)
    found = forward.trace(model, ids)
    states = [block.before for block in found.blocks] + [found.blocks[-1].after]
    return Walk(
        tokens.spelled(model, ids),
        np.stack([block.weights for block in found.blocks]),
        np.stack([_rms(state) for state in states]),
        np.stack([_rms(block.attended - block.before) for block in found.blocks]),
        np.stack([_rms(block.after - block.attended) for block in found.blocks]),
        np.stack([_rms(block.normed) for block in found.blocks]),
        np.stack([block.neurons for block in found.blocks]),
        [_guesses(model, state) for state in states],
    )


def _guesses(model: Weights, state: Array) -> list[list[tuple[str, float]]]:
    chances = forward.softmax(forward.logits(model, forward.norm(state, model["model.norm"], model.eps)))
    best = np.argsort(-chances, axis=-1)[:, :GUESSES]
    return [
        [(tokens.spelled(model, [int(one)])[0], float(chances[t, one])) for one in row] for t, row in enumerate(best)
    ]


def _rms(x: Array) -> Array:
    return np.sqrt(np.square(x).mean(-1))
