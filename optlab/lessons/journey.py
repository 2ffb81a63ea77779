"""A token's way through a Transformer, as stops that can be walked one after the other.

    embedding -> in each block: attention, what it added, feed-forward, what that added
              -> norm -> scores -> chances -> loss

Every number is of one real pass (`optlab.lessons.forward`), for every token of the sentence at once, so that whoever
draws it may change the token, the head and the stop without computing anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from optlab.lessons import forward, tokens
from optlab.lessons.weights import Array, Weights

Kind = Literal["embedding", "attention", "attended", "neurons", "after", "norm", "scores", "chances", "loss"]
CELLS = 32
"""Numbers of a row that are shown, the first ones."""
BEST = 5


@dataclass(frozen=True)
class Stop:
    """One stop. block: counted from 0; -1 outside of blocks. rows [T, CELLS]: the first numbers of each token here (of
    the neurons, in their order; of scores and chances none). sizes [T]: root mean square of the whole row. Empty
    arrays where there is no row."""

    kind: Kind
    block: int
    rows: Array
    sizes: Array


@dataclass(frozen=True)
class Answer:
    """What a token predicts: the likeliest BEST tokens with their score and chance, and what came next in the sentence.

    right: the next token with its score and chance, None for the last. loss: -ln of that chance, in nats.
    """

    best: list[tuple[str, float, float]]
    right: tuple[str, float, float] | None
    loss: float | None


@dataclass(frozen=True)
class Journey:
    """tokens [T]: as they read. stops: in order. attention [B, heads, T, T]: row t sums to 1. answers [T]."""

    tokens: list[str]
    stops: list[Stop]
    attention: Array
    answers: list[Answer]


def journey(model: Weights, text: str) -> Journey:
    """The way of every token of `text`. Raises TextError when it is too short or too long."""
    ids = tokens.encoded(model, text)
    found = forward.trace(model, ids)
    stops = [_stop("embedding", -1, found.blocks[0].before)]
    for number, block in enumerate(found.blocks):
        stops += [
            _stop("attention", number, block.normed),
            _stop("attended", number, block.attended),
            _stop("neurons", number, block.neurons),
            _stop("after", number, block.after),
        ]
    nothing = np.zeros((len(ids), 0), np.float32)
    stops.append(_stop("norm", -1, found.final))
    stops += [Stop("scores", -1, nothing, nothing), Stop("chances", -1, nothing, nothing),
              Stop("loss", -1, nothing, nothing)]  # fmt: skip
    attention = np.stack([block.weights for block in found.blocks])
    return Journey(tokens.spelled(model, ids), stops, attention, _answers(model, ids, found.logits))


def _stop(kind: Kind, block: int, rows: Array) -> Stop:
    return Stop(kind, block, rows[:, :CELLS], np.sqrt(np.square(rows).mean(-1)))


def _answers(model: Weights, ids: list[int], scores: Array) -> list[Answer]:
    logs = forward.log_softmax(scores)
    found = []
    for place, row in enumerate(logs):

        def told(token: int, place: int = place) -> tuple[str, float, float]:
            chance = float(np.exp(logs[place, token]))
            return tokens.spelled(model, [token])[0], float(scores[place, token]), chance

        best = [told(int(token)) for token in np.argsort(-row, kind="stable")[:BEST]]
        following = ids[place + 1] if place + 1 < len(ids) else None
        right = None if following is None else told(following)
        found.append(Answer(best, right, None if following is None else float(-row[following])))
    return found
