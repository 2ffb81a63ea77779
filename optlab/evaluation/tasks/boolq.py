"""Yes or no, from a paragraph of Wikipedia. The prompt is that of lm-evaluation-harness's `boolq`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from optlab.evaluation.tasks import Family, Question, Scoring, Task
from optlab.evaluation.tasks.carried import lines, some

QUESTIONS = 500
CHOICES = (" no", " yes")


class BoolQ(Task):
    name: ClassVar[str] = "boolq"
    title: ClassVar[str] = "BoolQ"
    summary: ClassVar[str] = "A question that people typed into a search engine, answered yes or no from a paragraph."
    source: ClassVar[str] = "Clark et al. 2019, arXiv 1905.10044"
    family: ClassVar[Family] = "questions"
    licence: ClassVar[str] = "CC BY-SA 3.0"
    scoring: ClassVar[Scoring] = "likelihood"
    read_tokens: ClassVar[int] = 384

    @staticmethod
    def questions() -> Sequence[Question]:
        return [
            Question(row["passage"], f"\nQuestion: {row['question']}?\nAnswer:", CHOICES, int(row["answer"] == "True"))
            for row in some(lines("BoolQ/dev.jsonl"), QUESTIONS)
        ]
