"""What was taken of a text, for a person to see before a model is judged on it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from optlab.messages import Counted, Message, say
from optlab.texts.text import Text, load

LINES, WIDTH = 3, 100


@dataclass(frozen=True)
class Excerpt:
    """words: format, column and amount in a sentence. lines: how the evaluation side begins."""

    words: Message
    lines: tuple[str, ...]
    text: Text

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        taken = self.text.taken
        return {
            "name": self.text.name, "kind": taken.kind if taken else None, "column": taken.column if taken else None,
            "conversation": self.text.conversation, "documents": len(self.text.documents),
            "records_without_text": taken.without if taken else 0,
            "evaluation_documents": len(self.text.evaluation), "calibration_documents": len(self.text.calibration),
            "characters": sum(map(len, self.text.evaluation)), "first_lines": list(self.lines),
        }  # fmt: skip


def excerpt(name: str) -> Excerpt:
    """What `optlab.texts.load(name)` takes. Raises TextError."""
    text = load(name)
    words = _words(text)
    if text.taken is not None and text.taken.without:
        words = say("{taken} ({without} records have no text there)", taken=words, without=text.taken.without)
    return Excerpt(words, tuple(_lines(text.evaluation[0], text.conversation)), text)


def _words(text: Text) -> Message:
    documents, measured = len(text.documents), len(text.evaluation)
    if text.taken is None:
        return Counted(
            "{count} document, {measured} of them to measure on", "{count} documents, {measured} of them to measure on",
            count=documents, measured=measured,
        )  # fmt: skip
    if text.taken.column is None:
        return say("{kind}, {size} characters, one document", kind=text.taken.kind, size=sum(map(len, text.evaluation)))
    if documents == 1 or text.calibration == text.evaluation:
        return say("{kind}, column {column}: one document", kind=text.taken.kind, column=text.taken.column)
    return say(
        "{kind}, column {column}: {count} documents, {measured} of them to measure on, the others to calibrate with",
        kind=text.taken.kind, column=text.taken.column, count=documents, measured=measured,
    )  # fmt: skip


def _lines(document: str, conversation: bool) -> list[str]:
    if conversation:
        document = "\n".join(f"{one['role']}: {one['content']}" for one in json.loads(document))
    lines = [line for line in document[: 10 * LINES * WIDTH].split("\n") if line.strip()][:LINES]
    return [line if len(line) <= WIDTH else f"{line[:WIDTH]}…" for line in lines]
