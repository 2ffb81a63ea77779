"""Tokens as bytes: how many of a text each stands for (what "bits per byte" divides by), and which one spells."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from optlab.files import JsonObject

if TYPE_CHECKING:
    import tokenizers

BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>")
"""A token of one byte in a SentencePiece vocabulary (byte fallback)."""


def sizes(text: str, encoding: tokenizers.Encoding, by_bytes: bool) -> list[int]:
    """UTF-8 bytes of `text` under every token of its encoding.

    by_bytes: tokens spell bytes, a letter for each. Otherwise a token stands for everything from the end of the one
    before it to its own end: spaces that a tokenizer drops, and characters that it writes differently, count as they
    are in the text.
    """
    if by_bytes:
        return _of_byte_level(text, encoding)
    found, reached, owed = [], 0, 0
    for token, (_, end) in zip(encoding.tokens, encoding.offsets, strict=True):
        spanned = len(text[reached:end].encode()) if end > reached else 0
        if BYTE.fullmatch(token) and spanned != len(token):  # one byte of a character that several such tokens spell
            owed += spanned
            spanned = min(owed, 1)
            owed -= spanned
        found.append(spanned)
        reached = max(reached, end)
    return found


def _of_byte_level(text: str, encoding: tokenizers.Encoding) -> list[int]:
    """A letter is a byte, except in an added token, which is spelled as it is written. What a normalizer changed has
    other bytes than the text; then the text's own are shared out."""
    found = [len(token) for token in encoding.tokens]
    total = len(text.encode())
    if sum(found) == total:
        return found
    return sizes(text, encoding, by_bytes=False)


def spelled(token: str) -> str:
    """A token of byte-level BPE as text; a byte that is only part of a character as \\xe2. Any other token as it is."""
    letters = byte_letters()
    if not set(token) <= letters.keys():
        return token
    return bytes(letters[letter] for letter in token).decode("utf-8", "backslashreplace")


@cache
def byte_letters() -> dict[str, int]:
    """Letter -> byte of byte-level BPE: printable bytes as they are, the others from U+0100 on (as GPT-2)."""
    own = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in own]
    return {chr(byte): byte for byte in own} | {chr(256 + place): byte for place, byte in enumerate(others)}


def has_part(part: JsonObject | None, kind: str) -> bool:
    """Whether a component of tokenizer.json is of `kind`, or is a sequence that holds such a one."""
    if not part:
        return False
    inner = part.get("decoders") or part.get("pretokenizers") or part.get("normalizers") or []
    return part.get("type") == kind or any(has_part(one, kind) for one in inner)
