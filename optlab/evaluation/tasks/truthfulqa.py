"""How likely are true answers to questions that people often answer wrongly? The package has no false ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from optlab.evaluation.tasks import Family, Metric, Question, Task
from optlab.evaluation.tasks.carried import lines, some

QUESTIONS = 250


class TruthfulQA(Task):
    name: ClassVar[str] = "truthfulqa"
    title: ClassVar[str] = "TruthfulQA"
    summary: ClassVar[str] = "Common misconceptions: how surprised a model is by a true answer."
    source: ClassVar[str] = "Lin et al. 2022, arXiv 2109.07958"
    family: ClassVar[Family] = "knowledge"
    licence: ClassVar[str] = "Apache-2.0"
    metric: ClassVar[Metric] = "nats_per_token"

    @staticmethod
    def questions() -> Sequence[Question]:
        rows = some((row for row in lines("TruthfulQA/combined.jsonl") if row["answer"]), QUESTIONS)
        return [Question(f"Q: {row['question']}", "\nA:", (f" {row['answer'][0].strip()}",), 0) for row in rows]
