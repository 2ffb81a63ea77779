"""Questions of elementary science, whose answers complete them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from optlab.evaluation.tasks import Family, Question, Scoring, Task
from optlab.evaluation.tasks.carried import lines, multiple_choice, some

QUESTIONS = 300


class OpenBookQA(Task):
    name: ClassVar[str] = "openbookqa"
    title: ClassVar[str] = "OpenBookQA"
    summary: ClassVar[str] = "Elementary science: which of four phrases completes the sentence."
    source: ClassVar[str] = "Mihaylov et al. 2018, arXiv 1809.02789"
    family: ClassVar[Family] = "questions"
    licence: ClassVar[str] = "Apache-2.0"
    scoring: ClassVar[Scoring] = "per_character"

    @staticmethod
    def questions() -> Sequence[Question]:
        rows = lines("OpenBookQA/test.jsonl")
        return some((multiple_choice(row, "", row["question"].strip(), 4) for row in rows), QUESTIONS)
