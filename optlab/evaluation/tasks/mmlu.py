"""School and university knowledge of 57 subjects. The answers stand in full, because a small model does not read
letters as names of answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from optlab.evaluation.tasks import Family, Question, Task
from optlab.evaluation.tasks.carried import lines, multiple_choice, some

QUESTIONS = 300
LONGEST = 600
"""Characters of a question: some hold whole statutes, and would cost as much as ten others."""


class MMLU(Task):
    name: ClassVar[str] = "mmlu"
    title: ClassVar[str] = "MMLU"
    summary: ClassVar[str] = "Examination questions of many subjects, each with four answers; only the shorter ones."
    source: ClassVar[str] = "Hendrycks et al. 2021, arXiv 2009.03300"
    family: ClassVar[Family] = "knowledge"
    licence: ClassVar[str] = "MIT"
    read_tokens: ClassVar[int] = 256

    @staticmethod
    def questions() -> Sequence[Question]:
        rows = (row for row in lines("MMLU/test.jsonl") if len(row["question"]) <= LONGEST)
        asked = (multiple_choice(row, f"Question: {row['question'].strip()}", "\nAnswer:", 4) for row in rows)
        return some(asked, QUESTIONS)
