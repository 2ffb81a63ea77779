"""How likely is the answer to a question without any text to read it from?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from optlab.evaluation.tasks import Family, Metric, Question, Task
from optlab.evaluation.tasks.carried import lines, some

QUESTIONS = 400


class NQOpen(Task):
    name: ClassVar[str] = "nq_open"
    title: ClassVar[str] = "Natural Questions"
    summary: ClassVar[str] = "Knowledge without a text: how surprised a model is by the first listed answer."
    source: ClassVar[str] = "Kwiatkowski et al. 2019, aclanthology.org/Q19-1026"
    family: ClassVar[Family] = "knowledge"
    licence: ClassVar[str] = "CC BY-SA 3.0"
    metric: ClassVar[Metric] = "nats_per_token"

    @staticmethod
    def questions() -> Sequence[Question]:
        return [asked(row, (f" {row['answer'][0].strip()}",)) for row in answered(QUESTIONS)]


def answered(count: int) -> list[dict[str, Any]]:
    """The first `count` rows that list an answer."""
    return some((row for row in lines("NQ-open/test.jsonl") if row["answer"]), count)


def asked(row: dict[str, Any], choices: tuple[str, ...]) -> Question:
    """The question of a row, of whose `choices` the first is the right one."""
    return Question(f"Q: {row['question']}?", "\nA:", choices, 0)
