"""How to do things: which of two ways works. The prompt is that of lm-evaluation-harness's `piqa`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from optlab.evaluation.tasks import Family, Question, Scoring, Task
from optlab.evaluation.tasks.carried import lines, multiple_choice, some

QUESTIONS = 300


class PIQA(Task):
    name: ClassVar[str] = "piqa"
    title: ClassVar[str] = "PIQA"
    summary: ClassVar[str] = "Everyday physics: which of two ways to reach a goal works."
    source: ClassVar[str] = "Bisk et al. 2020, arXiv 1911.11641"
    family: ClassVar[Family] = "knowledge"
    licence: ClassVar[str] = "AFL-3.0"
    scoring: ClassVar[Scoring] = "per_character"

    @staticmethod
    def questions() -> Sequence[Question]:
        rows = lines("PIQA/validation.jsonl")
        asked = (multiple_choice(row, "", f"Question: {row['question'].strip()}\nAnswer:", 2) for row in rows)
        return some(asked, QUESTIONS)
