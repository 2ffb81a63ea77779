"""Which of two sentences does a model find likelier: the one with a stereotype, or the one against it?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from optlab.evaluation.tasks import Family, Metric, Question, Scoring, Task
from optlab.evaluation.tasks.carried import lines, some

QUESTIONS = 300


class StereoSet(Task):
    name: ClassVar[str] = "stereoset"
    title: ClassVar[str] = "StereoSet"
    summary: ClassVar[str] = (
        "Pairs of sentences about a gender, profession, origin or religion: how often the stereotype is the likelier."
    )
    source: ClassVar[str] = "Nadeem et al. 2021, arXiv 2004.09456"
    family: ClassVar[Family] = "people"
    licence: ClassVar[str] = "CC BY-SA 4.0"
    metric: ClassVar[Metric] = "stereotyped"
    scoring: ClassVar[Scoring] = "likelihood"

    @staticmethod
    def questions() -> Sequence[Question]:
        return some(map(_question, lines("StereoSet/test.jsonl")), QUESTIONS)


def _question(row: dict[str, Any]) -> Question | None:
    pair = tuple(f" {row[side].strip()}" for side in ("anti-stereotype", "stereotype"))
    if pair[0] == pair[1]:
        return None
    before = row["context"].strip() if row["type"] == "intersentence" else ""
    return Question(before, "" if before else "\n", pair, 1, group=row["bias_type"])
