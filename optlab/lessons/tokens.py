"""A sentence that a person typed, as the pieces the model reads."""

from __future__ import annotations

from optlab.errors import TextError
from optlab.lessons.weights import Weights

LONGEST = 64
"""Tokens of a sentence: more would not be readable in a chart."""


def encoded(model: Weights, text: str, least: int = 2, most: int = LONGEST) -> list[int]:
    """Token ids of `text`. Raises TextError when there are fewer than `least` or more than `most`."""
    ids = model.tokenizer.encode(text)
    if not least <= len(ids) <= most:
        raise TextError(
            "the text has {id_count} tokens; write between {least} and {most}",
            id_count=len(ids),
            least=least,
            most=most,
        )
    return ids


def spelled(model: Weights, ids: list[int]) -> list[str]:
    """Each token as it reads, a space shown as a low line so that it can be seen."""
    return [model.tokenizer.readable(one).replace(" ", "␣").replace("\n", "⏎") or "·" for one in ids]
