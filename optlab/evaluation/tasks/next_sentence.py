"""Which sentence comes next in an article: its own, or the one at that place of three other articles?

Every choice is a sentence of the same newspaper at the same place of an article, so that nothing but what was read
tells them apart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from optlab.evaluation.tasks import Family, Question, Task

READ = 3
"""Sentences before the one that is asked for."""
CHOICES = 4
QUESTIONS = 100
END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'])")


class NextSentence(Task):
    name: ClassVar[str] = "next_sentence"
    title: ClassVar[str] = "Next sentence"
    summary: ClassVar[str] = (
        "The first sentences of a BBC News article are followed by its own next sentence, or by one of three from "
        "other articles; the one whose probability rises most is the answer."
    )
    source: ClassVar[str] = "after HellaSwag, arXiv 1905.07830, with endings of other articles"
    family: ClassVar[Family] = "news"

    @staticmethod
    def questions() -> Sequence[Question]:
        from optlab.texts.splits import evaluation_documents, training_documents

        # BBC News printed some articles again with another end: one of those may stand on the other side.
        known = {tuple(sentences[:READ]) for sentences in map(_sentences, training_documents("bbc-news"))}
        told = [sentences for sentences in map(_sentences, evaluation_documents("bbc-news")) if len(sentences) > READ]
        asked = [sentences for sentences in told if tuple(sentences[:READ]) not in known][: QUESTIONS + CHOICES - 1]
        return [_question(asked, number) for number in range(min(QUESTIONS, len(asked) - CHOICES + 1))]


def _sentences(text: str) -> list[str]:
    return END.split(" ".join(text.split()))


def _question(told: Sequence[Sequence[str]], number: int) -> Question:
    """About article `number`; the others are those after it. The place of the true ending goes round."""
    endings = [told[number + other][READ] for other in range(CHOICES)]
    right = number % CHOICES
    endings.insert(right, endings.pop(0))
    return Question(" ".join(told[number][:READ]), "\n", tuple(endings), right)
