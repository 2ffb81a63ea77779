"""What people do, want and feel in everyday situations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from optlab.evaluation.tasks import Family, Question, Task
from optlab.evaluation.tasks.carried import lines, multiple_choice, some

QUESTIONS = 300


class SIQA(Task):
    name: ClassVar[str] = "siqa"
    title: ClassVar[str] = "Social IQa"
    summary: ClassVar[str] = "What somebody in a situation will do, want or feel: one of three answers."
    source: ClassVar[str] = "Sap et al. 2019, arXiv 1904.09728"
    family: ClassVar[Family] = "questions"
    licence: ClassVar[str] = "CC BY 4.0"

    @staticmethod
    def questions() -> Sequence[Question]:
        rows = lines("SIQA/test.jsonl")
        asked = (multiple_choice(row, f"{row['passage']} {row['question']}", "\nAnswer:", 3) for row in rows)
        return some(asked, QUESTIONS)
