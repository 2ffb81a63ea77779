"""The same passage after more and more of what stands before it: does a compressed model gain as much from it?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from optlab.evaluation.tasks import Family, Metric, Question, Task

DOCUMENTS = 24
BEFORE = (25, 100, 400)
"""Words that are read before the passage."""
PASSAGE = 40
"""Words of it."""


class LongContext(Task):
    name: ClassVar[str] = "long_context"
    title: ClassVar[str] = "More context"
    summary: ClassVar[str] = (
        "The same words of Bible chapters after the 25, 100 or 400 words before them: how surprised a model is by each."
    )
    source: ClassVar[str] = "after Khandelwal et al. 2018, arXiv 1805.04623"
    family: ClassVar[Family] = "long"
    licence: ClassVar[str] = "public domain (World English Bible)"
    metric: ClassVar[Metric] = "nats_per_token"
    read_tokens: ClassVar[int] = 800

    @staticmethod
    def questions() -> Sequence[Question]:
        from optlab.texts.splits import evaluation_documents

        told = (text.split() for text in evaluation_documents("web-bible"))
        long = [words for words in told if len(words) >= BEFORE[-1] + PASSAGE][:DOCUMENTS]
        return [_question(words, before) for before in BEFORE for words in long]


def _question(words: Sequence[str], before: int) -> Question:
    start = BEFORE[-1]
    passage = " ".join(words[start : start + PASSAGE])
    return Question(" ".join(words[start - before : start]), "", (f" {passage}",), 0, group=f"after {before} words")
