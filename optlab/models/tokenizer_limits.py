"""What a stranger's tokenizer may ask for: nothing that makes gigabytes of a short text, or hours of a search.

A tokenizer.json holds rules that run on every text: replacements, regular expressions, what is written around a text.
The package that runs them has no limits of its own and ends the process when memory is not to be had. The tokenizers of
models stay far below these.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from optlab.errors import ModelError
from optlab.messages import Message, say

if TYPE_CHECKING:
    import tokenizers

LONGEST_WORD = 256
"""Characters of a replacement, a prefix, or a text to look for."""
LONGEST_PATTERN = 10_000
"""Characters of a regular expression; that of GPT-4o has 500."""
LONGEST_TOKEN = 4096
MOST_PARTS = 64
MOST_GROWTH = 256
"""How many characters one character of a text may become, by all replacements in a row."""
MOST_AROUND = 64
"""Tokens that are written around a text."""
AFFIXES = ("continuing_subword_prefix", "end_of_word_suffix", "unk_token")
PARTS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")


def check_file(file: Path) -> None:
    """Raises ModelError for a file that must not even be opened by the package: a vocabulary becomes a tree as deep as
    its longest token, and a deep one ends the process."""
    import numpy as np

    try:
        data = file.read_bytes()
    except OSError as error:
        raise ModelError("cannot read {file}: {strerror}", file=file, strerror=error.strerror) from None
    quotes = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord('"'))
    for place in np.flatnonzero(np.diff(quotes) > 4 * LONGEST_TOKEN):
        start = int(quotes[place])
        if b"precompiled_charsmap" not in data[max(start - 32, 0) : start]:
            raise ModelError("{name} is not used: {what}", name=file, what=_too_long())


def _too_long() -> Message:
    return say("it has a token of more than {most} characters", most=LONGEST_TOKEN)


def check(backend: tokenizers.Tokenizer, name: object) -> None:
    """Raises ModelError when a part of `backend` asks for too much. name: of its file."""

    def refuse(what: Message) -> NoReturn:
        raise ModelError("{name} is not used: {what}", name=name, what=what)

    for title in PARTS:
        part = getattr(backend, title)
        if part is not None:
            _check_part(json.loads(part.__getstate__()), refuse)
    for affix in AFFIXES:
        if len(getattr(backend.model, affix, None) or "") > LONGEST_WORD:
            refuse(say("its {part} is longer than any word", part=affix))
    if any(len(token) > LONGEST_TOKEN for token in backend.get_vocab(with_added_tokens=True)):
        refuse(_too_long())


def _check_part(described: Any, refuse: Callable[[Message], NoReturn]) -> None:
    growth = 1
    parts = list(_parts(described))
    if len(parts) > MOST_PARTS:
        refuse(say("it does {count} things to a text, one after another", count=len(parts)))
    for part in parts:
        if part.get("type") == "TemplateProcessing":
            around = sum(len(one.get("ids", ())) for one in part.get("special_tokens", {}).values())
            if around > MOST_AROUND or len(part.get("single", ())) + len(part.get("pair", ())) > MOST_AROUND:
                refuse(say("it writes too many tokens around a text"))
            continue
        for key, value in part.items():
            pattern = value.get("Regex") if isinstance(value, dict) else None
            word = value.get("String") if isinstance(value, dict) else value
            if isinstance(pattern, str) and len(pattern) > LONGEST_PATTERN:
                refuse(say("a regular expression in it has {count} characters", count=len(pattern)))
            if isinstance(pattern, str) and repeats_a_repetition(pattern):
                refuse(say("a regular expression in it repeats a repetition, which can take for ever"))
            if isinstance(word, str) and key not in ("precompiled_charsmap", "type") and len(word) > LONGEST_WORD:
                refuse(say("its {part} has {count} characters", part=key, count=len(word)))
        if part.get("type") == "Replace":
            growth *= max(len(str(part.get("content", ""))), 1)
    if growth > MOST_GROWTH:
        refuse(say("it makes up to {count} characters of one", count=growth))


def _parts(described: Any) -> Iterator[dict[str, Any]]:
    """A part, or the parts of a sequence, at any depth."""
    if not isinstance(described, dict):
        return
    inner = [value for value in described.values() if isinstance(value, list) and described.get("type") == "Sequence"]
    if not inner:
        yield described
    for one in (one for values in inner for one in values):
        yield from _parts(one)


def repeats_a_repetition(pattern: str) -> bool:
    """Whether a group that repeats without bound is itself repeated so, as in `(a+)+`: an engine that goes back to try
    again may then need time that doubles with every character. Groups that never go back, `(?>...)`, may."""
    unbounded = [False]  # of the pattern and of each open group: whether something in it repeats without bound
    atomic = [False]
    at, last = 0, False  # last: whether the item before is a group with an unbounded repetition in it
    while at < len(pattern):
        letter = pattern[at]
        if letter == "\\":
            at, last = at + 2, False
        elif letter == "[":
            at, last = _end_of_class(pattern, at), False
        elif letter == "(":
            unbounded.append(False)
            atomic.append(pattern.startswith("(?>", at))
            at, last = at + (2 if pattern.startswith("(?", at) else 1), False
        elif letter == ")":
            inside = len(unbounded) > 1 and unbounded.pop()
            last = inside and not atomic.pop() if len(atomic) > 1 else inside
            unbounded[-1] = unbounded[-1] or inside
            at += 1
        elif (length := _unbounded(pattern, at)) > 0:
            if last:
                return True
            unbounded[-1] = True
            at, last = at + length, False
        else:
            at, last = at + 1, last and letter == "?"
    return False


def _unbounded(pattern: str, at: int) -> int:
    """How many characters of a quantifier stand at a place, of one that repeats ten times or more; else 0."""
    if pattern[at] in "*+":
        return 1
    end = pattern.find("}", at) if pattern[at] == "{" else -1
    bounds = pattern[at + 1 : end].split(",") if end > 0 else []
    if not bounds or len(bounds) > 2 or not all(bound.isdigit() or not bound for bound in bounds):
        return 0
    most = bounds[-1]
    return end + 1 - at if not most or int(most[:9]) >= 10 else 0


def _end_of_class(pattern: str, at: int) -> int:
    """The place behind a class of characters that begins at a place; classes may hold classes."""
    depth = 0
    while at < len(pattern):
        if pattern[at] == "\\":
            at += 1
        elif pattern[at] == "[":
            depth += 1
        elif pattern[at] == "]":
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return at
