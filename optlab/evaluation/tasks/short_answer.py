"""An answer of a few words without any text to read it from, right when it is one of those that people gave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from optlab.evaluation.tasks import Family, Metric, Question, Task
from optlab.evaluation.tasks.carried import lines, some
from optlab.evaluation.written import exact_match

QUESTIONS = 150


class ShortAnswer(Task):
    name: ClassVar[str] = "short_answer"
    title: ClassVar[str] = "Written answers"
    summary: ClassVar[str] = "Knowledge without a text: how often what the model writes is a listed answer."
    source: ClassVar[str] = "Kwiatkowski et al. 2019, aclanthology.org/Q19-1026"
    family: ClassVar[Family] = "knowledge"
    licence: ClassVar[str] = "CC BY-SA 3.0"
    metric: ClassVar[Metric] = "exact_match"
    new_tokens: ClassVar[int] = 8

    @staticmethod
    def questions() -> Sequence[Question]:
        """The choices are the answers that count, all of them right."""
        rows = some((row for row in lines("NQ-open/test.jsonl") if row["answer"]), QUESTIONS)
        return [Question(f"Q: {row['question']}?", "\nA:", tuple(row["answer"]), 0) for row in rows]

    @staticmethod
    def judge(question: Question, text: str) -> float:
        return float(exact_match(question.choices, text))
