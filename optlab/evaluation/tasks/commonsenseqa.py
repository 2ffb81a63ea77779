"""What everybody knows, with five short answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from optlab.evaluation.tasks import Family, Question, Task
from optlab.evaluation.tasks.carried import lines, multiple_choice, some

QUESTIONS = 400


class CommonsenseQA(Task):
    name: ClassVar[str] = "commonsenseqa"
    title: ClassVar[str] = "CommonsenseQA"
    summary: ClassVar[str] = "What everybody knows: which of five words or phrases answers the question."
    source: ClassVar[str] = "Talmor et al. 2019, arXiv 1811.00937"
    family: ClassVar[Family] = "knowledge"
    licence: ClassVar[str] = "MIT"

    @staticmethod
    def questions() -> Sequence[Question]:
        rows = lines("CommonsenseQA/validation.jsonl")
        asked = (multiple_choice(row, f"Question: {row['question']}", "\nAnswer:", 5) for row in rows)
        return some(asked, QUESTIONS)
