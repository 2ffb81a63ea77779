"""Windows from all over a text instead of its beginning, in an order that is fixed by a seed.

Neighbouring windows of a long document resemble each other: the 95 % interval from 16 consecutive windows of
Shakespeare covers the truth in 82 % of cases, that from 16 windows drawn at random in 96 % (docs/log.md). Drawn in one
order, more windows contain the fewer, and a measurement that stops early has seen a random part of the text as well.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from itertools import accumulate

from optlab.texts.tokens import Encoder, Tokens, segments

WHOLE_BYTES = 2_500_000
"""A text up to this size is encoded as a whole, about two seconds, and cut into windows from its beginning."""
SEGMENT_WINDOWS = 16
"""A longer one is encoded in pieces of about so many windows, only those pieces that are needed."""


def windows(text: str, tokenizer: Encoder, context: int, order: random.Random) -> Iterator[Tokens]:
    """Windows of `context` tokens of `text`, none twice, in a random order; as many as there are.

    A text that is encoded as a whole gives exactly the windows that it gives from its beginning. Of a longer one every
    piece gives one window before any gives its second.
    """
    pieces = [(0, len(text))]
    if len(text.encode()) > WHOLE_BYTES:
        pieces = list(segments(text, 4 * SEGMENT_WINDOWS * context))
        order.shuffle(pieces)
    seeds = [order.random() for _ in pieces]
    each = [
        _of_piece(text[start:end], tokenizer, context, seed) for (start, end), seed in zip(pieces, seeds, strict=True)
    ]
    left = deque(each)
    while left:
        piece = left.popleft()
        window = next(piece, None)
        if window is not None:
            yield window
            left.append(piece)


def _of_piece(text: str, tokenizer: Encoder, context: int, seed: float) -> Iterator[Tokens]:
    ids, sizes = tokenizer.sized(text)
    places = [0, *accumulate(sizes)]
    written = text.encode()
    starts = list(range(0, len(ids) - context + 1, context))
    random.Random(seed).shuffle(starts)
    for start in starts:
        end = start + context
        words = written[places[start] : places[end]].decode(errors="ignore")
        yield Tokens(ids[start:end], sizes[start:end], words)
