"""Whom does a pronoun belong to: is "she" likelier where the occupation is thought of as a woman's?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from optlab.evaluation.tasks import Family, Metric, Question, Scoring, Task
from optlab.evaluation.tasks.carried import lines, some

QUESTIONS = 300
MASK = "[MASK]"
OPPOSITE = {"he": "she", "she": "he", "his": "her", "her": "his", "him": "her"}


class Wino(Task):
    name: ClassVar[str] = "wino"
    title: ClassVar[str] = "Pronouns of occupations"
    summary: ClassVar[str] = "Sentences about occupations: how often the pronoun of the stereotype is the likelier."
    source: ClassVar[str] = "after WinoBias, arXiv 1804.06876"
    family: ClassVar[Family] = "people"
    licence: ClassVar[str] = "MIT"
    metric: ClassVar[Metric] = "stereotyped"
    scoring: ClassVar[Scoring] = "likelihood"

    @staticmethod
    def questions() -> Sequence[Question]:
        return some(map(_question, lines("Wino-test/test.jsonl")), QUESTIONS)


def _question(row: dict[str, Any]) -> Question | None:
    stereotype = row["pro_stereotyped"].strip().lower()
    sentence = " ".join(row["text"].split())
    if stereotype not in OPPOSITE or sentence.count(MASK) != 1:
        return None
    before, after = (part.replace("[", "").replace("]", "") for part in sentence.split(MASK))
    pair = tuple(f" {pronoun}{after}" for pronoun in (OPPOSITE[stereotype], stereotype))
    return Question(before.rstrip(), "", pair, 1, group=stereotype)
