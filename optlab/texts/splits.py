"""Tokens to measure on and tokens to calibrate with, from sides of a text that never share a document.

A named text is evaluated on its evaluation side; a person's own file from its beginning, in order. The same file cannot
serve both purposes in one run (`check_apart`).
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from optlab.errors import TextError
from optlab.texts.sources import READERS
from optlab.texts.text import load

MARGIN = 64
"""Tokens beyond what is asked for, so that cutting a text short cannot change how its last words are split."""


class Encoder(Protocol):
    def encode(self, text: str) -> list[int]: ...


def evaluation_documents(name: str) -> list[str]:
    """The documents of the evaluation side. Raises TextError."""
    return list(load(name).evaluation)


def training_documents(name: str) -> list[str]:
    """The documents a model may learn from: the calibration side. Raises TextError."""
    return list(load(name).calibration)


def evaluation_tokens(name: str, tokenizer: Encoder, count: int, seed: int = 0) -> list[int]:
    """The first `count` tokens of the evaluation side, its documents joined by a blank line, no token added.

    seed: another order of the documents of a named text, so that a second seed measures on other words; which side a
    document is on never changes. A text of one document, such as a person's file, is read from its beginning.
    Raises TextError when the text is shorter, with both counts.
    """
    documents = list(load(name).evaluation)
    if seed:
        random.Random(f"{name} evaluation {seed}").shuffle(documents)
    return _first_tokens(name, documents, tokenizer, count, "evaluation")


def calibration_windows(name: str, tokenizer: Encoder, tokens: int, context: int, seed: int = 0) -> list[list[int]]:
    """`tokens // context` windows of `context` tokens from the calibration side, its documents in a seeded order.

    Raises TextError when the text is shorter, with both counts.
    """
    count = max(1, tokens // context)
    ids = _first_tokens(name, _calibration_order(name, seed), tokenizer, count * context, "calibration")
    return [ids[i * context : (i + 1) * context] for i in range(count)]


def training_windows(name: str, tokenizer: Encoder, tokens: int, context: int, seed: int = 0) -> list[list[int]]:
    """`calibration_windows` of at most `tokens` tokens: as many whole windows as the text has, to train on.

    Raises TextError when it does not fill one.
    """
    documents = _calibration_order(name, seed)
    ids = _first_tokens(name, documents, tokenizer, max(tokens, context), "calibration", fewest=context)
    return [ids[start : start + context] for start in range(0, len(ids) - context + 1, context)]


def check_apart(text: str, calibration: str) -> None:
    """Whether a run may measure on `text` and calibrate on `calibration`.

    Raises TextError when both are the same file, or any document stands on both sides.
    """
    if text == calibration and text in READERS:
        return  # its two sides are apart by construction
    same_file = (
        text not in READERS and calibration not in READERS and Path(text).resolve() == Path(calibration).resolve()
    )
    if same_file or set(load(text).evaluation) & set(load(calibration).calibration):
        raise TextError(
            "{calibration} would calibrate and measure at once, which flatters every method; calibrate with "
            "another file or a named text such as bbc-news",
            calibration=calibration,
        )


def _calibration_order(name: str, seed: int) -> list[str]:
    documents = list(load(name).calibration)
    random.Random(f"{name} {seed}").shuffle(documents)
    return documents


def _first_tokens(
    name: str, documents: Iterable[str], tokenizer: Encoder, count: int, side: str, fewest: int | None = None
) -> list[int]:
    """The first `count` tokens; with `fewest`, fewer are enough down to that many. Raises TextError."""
    needed = count if fewest is None else fewest
    documents = list(documents)
    characters = 8 * (count + MARGIN)
    while True:
        taken: list[str] = []
        size = 0
        for document in documents:
            taken.append(document)
            size += len(document)
            if size >= characters:
                break
        whole = len(taken) == len(documents)
        joined = "\n\n".join([*(document.removesuffix("\n") for document in taken[:-1]), taken[-1]])
        # One document can be a whole file of megabytes: cut it too, at a space, far behind what is needed.
        cut = joined.find(" ", characters) if len(joined) > characters else -1
        ids = tokenizer.encode(joined if cut < 0 else joined[:cut])
        if len(ids) >= count + MARGIN or (whole and cut < 0):
            break
        characters *= 4
    if len(ids) < needed:
        raise TextError(
            "{name} has {id_count:,} {side} tokens, {needed:,} are needed; ask for fewer or use a longer text",
            name=name,
            id_count=len(ids),
            side=side,
            needed=needed,
        )
    return ids[:count]
