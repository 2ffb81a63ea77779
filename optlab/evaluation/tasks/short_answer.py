"""An answer of a few words without any text to read it from, right when it is one of those that people gave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from optlab.evaluation.tasks import Family, Metric, Question, Task
from optlab.evaluation.tasks.nq_open import NQOpen, answered, asked
from optlab.evaluation.written import exact_match

QUESTIONS = 150


class ShortAnswer(Task):
    name: ClassVar[str] = "short_answer"
    title: ClassVar[str] = "Written answers"
    summary: ClassVar[str] = "Knowledge without a text: how often what the model writes is a listed answer."
    source: ClassVar[str] = NQOpen.source
    family: ClassVar[Family] = "knowledge"
    licence: ClassVar[str] = NQOpen.licence
    metric: ClassVar[Metric] = "exact_match"
    new_tokens: ClassVar[int] = 8

    @staticmethod
    def questions() -> Sequence[Question]:
        """The choices are the answers that count, all of them right."""
        return [asked(row, tuple(row["answer"])) for row in answered(QUESTIONS)]

    @staticmethod
    def judge(question: Question, text: str) -> float:
        return float(exact_match(question.choices, text))
