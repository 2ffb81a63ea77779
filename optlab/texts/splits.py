"""Tokens to measure on and tokens to calibrate with, from sides of a text that never share a document.

A named or pasted text is measured on windows strewn over its evaluation side, a file given as a PATH from its
beginning, in order, as other tools read it. What calibrates never measures in one run (`check_apart`).
"""

from __future__ import annotations

import random
from itertools import islice

from optlab.errors import TextError
from optlab.framing import NOTHING, Framing
from optlab.messages import Message, say
from optlab.texts import strewn
from optlab.texts.names import card, is_strewn
from optlab.texts.passage import Passage
from optlab.texts.text import load
from optlab.texts.tokens import Encoder, Tokens, first_of_conversations, first_tokens, joined

SHORTEST_COPY = 200
"""Characters of a document that is looked for inside another text: a shorter one may be there by chance."""
MOST_LOOKED_FOR = 500


def evaluation_documents(name: str) -> list[str]:
    """The documents of the evaluation side. Raises TextError."""
    return list(load(name).evaluation)


def training_documents(name: str) -> list[str]:
    """The documents a model may learn from: the calibration side. Raises TextError."""
    return list(load(name).calibration)


def evaluation_passage(
    name: str, tokenizer: Encoder, count: int, context: int, framing: Framing = NOTHING, seed: int = 0
) -> Passage:
    """What a model is measured on: `count` tokens of the evaluation side, for windows of `context` tokens.

    Of a named or pasted text `count // context` windows from all over the side, in an order that only `seed` changes:
    more tokens contain the fewer. Of a file the first `count` tokens, with `framing.before` in front, so that windows
    begin where `llama-perplexity` has them begin. Raises TextError when the text is shorter, with both counts.
    """
    documents = evaluation_documents(name)
    if not is_strewn(name) or count < context or load(name).conversation:
        begin = framing.before
        some = _enough(
            name, _first(name, documents, tokenizer, count - len(begin)), count - len(begin), say("evaluation tokens")
        )
        met = tokenizer.lookalikes(some.text)
        return Passage([*begin, *some.ids], [*(0 for _ in begin), *some.bytes], framing, met, True)
    wanted = count // context
    order = random.Random(f"{name} windows {seed}")
    found = list(islice(strewn.windows(joined(documents), tokenizer, context, order), wanted))
    if len(found) < wanted:
        raise _too_short(
            name,
            len(found) * context,
            wanted * context,
            say("evaluation tokens in windows of {context}", context=context),
        )
    return Passage(
        [token for window in found for token in window.ids],
        [size for window in found for size in window.bytes],
        framing,
        sum(tokenizer.lookalikes(window.text) for window in found),
        False,
    )


def evaluation_tokens(name: str, tokenizer: Encoder, count: int, framing: Framing = NOTHING) -> list[int]:
    """The first `count` tokens of the evaluation side as running text, BOS in front where `framing` has it: a prompt to
    time, a passage to look at. Raises TextError when the text is shorter, with both counts."""
    begin = list(framing.before)
    needed = count - len(begin)
    return (
        begin
        + _enough(
            name, _first(name, evaluation_documents(name), tokenizer, needed), needed, say("evaluation tokens")
        ).ids
    )


def calibration_windows(
    name: str, tokenizer: Encoder, tokens: int, context: int, seed: int = 0, framing: Framing = NOTHING
) -> list[list[int]]:
    """`tokens // context` windows of `context` tokens from the calibration side, its documents in a seeded order, each
    framed. Raises TextError when the text is shorter, with both counts."""
    needed = max(1, tokens // context) * context
    some = _first(name, _calibration_order(name, seed), tokenizer, needed)
    return framing.windows(_enough(name, some, needed, say("calibration tokens")).ids, context)


def training_windows(
    name: str, tokenizer: Encoder, tokens: int, context: int, seed: int = 0, framing: Framing = NOTHING
) -> list[list[int]]:
    """`calibration_windows` of at most `tokens` tokens: as many whole windows as the text has, to train on.

    Raises TextError when it does not fill one.
    """
    some = _first(name, _calibration_order(name, seed), tokenizer, max(tokens, context))
    return framing.windows(_enough(name, some, context, say("calibration tokens")).ids, context)


def check_apart(text: str, calibration: str) -> None:
    """Whether a run may measure on `text` and calibrate on `calibration`.

    Raises TextError when any document stands on both sides, whatever its white space, or one text holds the other.
    """
    if text == calibration and card(text) is not None:
        return  # its two sides are apart by construction
    measured, calibrates = (
        {bare(one) for one in side} for side in (load(text).evaluation, load(calibration).calibration)
    )
    if measured & calibrates or _holds(measured, calibrates) or _holds(calibrates, measured):
        raise TextError(
            "{calibration} would calibrate and measure at once, which flatters every method; calibrate with "
            "another file or a named text such as bbc-news",
            calibration=calibration,
        )


def bare(document: str) -> str:
    """A document without its white space: what a copy of it keeps."""
    return "".join(document.split())


def _holds(whole: set[str], parts: set[str]) -> bool:
    """Whether `whole`, where it is one text, holds a document of `parts`; of very many, some are looked for."""
    if len(whole) != 1:
        return False
    (text,) = whole
    long = [part for part in sorted(parts) if len(part) >= SHORTEST_COPY]
    return any(part in text for part in long[:: 1 + len(long) // MOST_LOOKED_FOR])


def _calibration_order(name: str, seed: int) -> list[str]:
    documents = training_documents(name)
    random.Random(f"{name} {seed}").shuffle(documents)
    return documents


def _first(name: str, documents: list[str], tokenizer: Encoder, count: int) -> Tokens:
    take = first_of_conversations if load(name).conversation else first_tokens
    return take(documents, tokenizer, count)


def _enough(name: str, some: Tokens, needed: int, what: Message) -> Tokens:
    if len(some) < needed:
        raise _too_short(name, len(some), needed, what)
    return some


def _too_short(name: str, found: int, needed: int, what: Message) -> TextError:
    return TextError(
        "{name} has {found:,} {what}, {needed:,} are needed; ask for fewer or use a longer text",
        name=name,
        found=found,
        what=what,
        needed=needed,
    )
