"""A summary of an article in one sentence, written and compared with that of a journalist."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from optlab.evaluation.tasks import Family, Metric, Question, Task
from optlab.evaluation.tasks.xsum import XSum
from optlab.evaluation.written import rouge_l

QUESTIONS = 32


class ShortSummary(Task):
    name: ClassVar[str] = "short_summary"
    title: ClassVar[str] = "Written summaries"
    summary: ClassVar[str] = "Summarization: a sentence that the model writes about a BBC article, by ROUGE-L."
    source: ClassVar[str] = "Narayan et al. 2018, arXiv 1808.08745"
    family: ClassVar[Family] = "summaries"
    licence: ClassVar[str] = XSum.licence
    metric: ClassVar[Metric] = "rouge_l"
    read_tokens: ClassVar[int] = 128
    new_tokens: ClassVar[int] = 24

    @staticmethod
    def questions() -> Sequence[Question]:
        return XSum.questions()[:QUESTIONS]

    @staticmethod
    def judge(question: Question, text: str) -> float:
        return rouge_l(question.answer, text)
