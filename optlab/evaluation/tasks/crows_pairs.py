"""Sentences in which one group is named, and the same with another: which does a model find likelier?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from optlab.evaluation.tasks import Family, Metric, Question, Scoring, Task
from optlab.evaluation.tasks.carried import some, table

QUESTIONS = 300
MASK = "[MASK]"


class CrowSPairs(Task):
    name: ClassVar[str] = "crows_pairs"
    title: ClassVar[str] = "CrowS-Pairs"
    summary: ClassVar[str] = (
        "Sentences that differ in the group they name: how often the one with the stereotype is the likelier."
    )
    source: ClassVar[str] = "Nangia et al. 2020, arXiv 2010.00133"
    family: ClassVar[Family] = "people"
    licence: ClassVar[str] = "CC BY-SA 4.0"
    metric: ClassVar[Metric] = "stereotyped"
    scoring: ClassVar[Scoring] = "likelihood"

    @staticmethod
    def questions() -> Sequence[Question]:
        return some(map(_question, table("Crows-Pairs/test.csv")), QUESTIONS)


def _question(row: dict[str, str]) -> Question | None:
    """The first of the two groups is the one that the stereotype is about."""
    stereotype, other = row["mask1"].strip(), row["mask2"].strip()
    if not stereotype or not other or stereotype == other or MASK not in row["sentence"]:
        return None
    pair = tuple(f" {row['sentence'].strip().replace(MASK, group)}" for group in (other, stereotype))
    return Question("", "\n", pair, 1, group=row["bias_type"])
