"""Only as much of a text as is needed is encoded, and what comes out is what the whole text would have given.

Cutting a text short can change how its last words are split, never those far before. So a head is cut at white space
where there is some nearby, a margin of tokens before the cut is not used, and a text of megabytes without one space
(Chinese) costs what its needed tokens cost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

MARGIN = 64
"""Tokens before a cut that are not used."""
CHARACTERS_PER_TOKEN = 4
"""A first guess; the next try is in proportion to what came out."""
REACH = 1000
"""Characters within which white space is looked for, to cut there."""
SPACE = re.compile(r"(?<=\S)\s")


class Encoder(Protocol):
    """What a text needs of a tokenizer (`optlab.models.tokenizer.Tokenizer`)."""

    def encode(self, text: str) -> list[int]: ...
    def sized(self, text: str) -> tuple[list[int], list[int]]: ...
    def lookalikes(self, text: str) -> int: ...
    def conversation(self, messages: Sequence[Mapping[str, str]]) -> tuple[list[int], list[int]]: ...


@dataclass(frozen=True)
class Tokens:
    """ids, the UTF-8 bytes of the text that each stands for, and that text."""

    ids: list[int]
    bytes: list[int]
    text: str

    def __len__(self) -> int:
        return len(self.ids)


def joined(documents: Sequence[str]) -> str:
    """Documents as one text, a blank line between them."""
    if not documents:
        return ""
    return "\n\n".join([*(document.removesuffix("\n") for document in documents[:-1]), documents[-1]])


def first_tokens(documents: Sequence[str], tokenizer: Encoder, count: int) -> Tokens:
    """The first `count` tokens of the joined documents, fewer where they have fewer."""
    characters = CHARACTERS_PER_TOKEN * (count + MARGIN)
    while True:
        text, whole = head(documents, characters)
        ids, sizes = tokenizer.sized(text)
        if whole or len(ids) >= count + MARGIN:
            used = sizes[:count]
            return Tokens(ids[:count], used, text.encode()[: sum(used)].decode(errors="ignore"))
        characters = max(2 * characters, int(1.2 * characters * (count + MARGIN) / max(len(ids), 1)))


def first_of_conversations(documents: Sequence[str], tokenizer: Encoder, count: int) -> Tokens:
    """The first `count` tokens of conversations (JSON lists of messages), each as the model's chat template writes
    it. Raises ModelError when the model has no template."""
    ids: list[int] = []
    sizes: list[int] = []
    said: list[str] = []
    for document in documents:
        messages = json.loads(document)
        some, of_each = tokenizer.conversation(messages)
        ids += some
        sizes += of_each
        said += [message["content"] for message in messages]
        if len(ids) >= count:
            break
    return Tokens(ids[:count], sizes[:count], "\n".join(said))


def head(documents: Sequence[str], characters: int) -> tuple[str, bool]:
    """About the first `characters` of the joined documents, cut where words end, and whether that is all of them."""
    taken: list[str] = []
    size = 0
    for document in documents:
        taken.append(document)
        size += len(document)
        if size > characters + REACH:
            break
    text = joined(taken)
    if len(taken) == len(documents) and len(text) <= characters:
        return text, True
    return text[: cut(text, characters)], False


def cut(text: str, near: int) -> int:
    """Where to cut `text`: at the first white space from `near` on, and where none is within reach at `near`."""
    found = SPACE.search(text, near, min(near + REACH, len(text)))
    return found.start() if found else min(near, len(text))


def segments(text: str, characters: int) -> Iterator[tuple[int, int]]:
    """(start, end) of pieces of about so many characters that together are `text`."""
    start = 0
    while start < len(text):
        end = cut(text, start + characters) if start + characters < len(text) else len(text)
        yield start, end
        start = end
