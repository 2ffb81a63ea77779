"""A message of a program in French, written after its English one and compared by characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from optlab.evaluation.tasks import Family, Metric, Question, Task
from optlab.evaluation.tasks.carried import some
from optlab.evaluation.tasks.catalogs import messages
from optlab.evaluation.written import chrf

QUESTIONS = 32
SHOWN = 2
"""Pairs that stand before every question, so that a model sees what is wanted."""


class ShortTranslation(Task):
    name: ClassVar[str] = "short_translation"
    title: ClassVar[str] = "Written translations"
    summary: ClassVar[str] = "English messages of a program that the model puts into French, by chrF."
    source: ClassVar[str] = "JupyterLab's message catalogs"
    family: ClassVar[Family] = "translation"
    licence: ClassVar[str] = "BSD-3-Clause"
    language: ClassVar[str] = "fr"
    metric: ClassVar[Metric] = "chrf"
    read_tokens: ClassVar[int] = 256
    new_tokens: ClassVar[int] = 32

    @staticmethod
    def questions() -> Sequence[Question]:
        pairs = some(messages("fr_FR").items(), QUESTIONS + SHOWN)
        shown = "".join(f"English: {english}\nFrench: {french}\n\n" for english, french in pairs[:SHOWN])
        return [Question(f"{shown}English: {english}", "\nFrench:", (french,), 0) for english, french in pairs[SHOWN:]]

    @staticmethod
    def judge(question: Question, text: str) -> float:
        return chrf(question.answer, text)
