"""How likely is the summary that a journalist wrote of an article?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from optlab.evaluation.tasks import Family, Metric, Question, Task
from optlab.evaluation.tasks.carried import lines, some

QUESTIONS = 100
ASK = "\nSummary in one sentence:"


class XSum(Task):
    name: ClassVar[str] = "xsum"
    title: ClassVar[str] = "XSum"
    summary: ClassVar[str] = "Summarization: how surprised a model is by the sentence that sums up a BBC article."
    source: ClassVar[str] = "Narayan et al. 2018, arXiv 1808.08745"
    family: ClassVar[Family] = "summaries"
    licence: ClassVar[str] = "MIT (the articles are the BBC's)"
    metric: ClassVar[Metric] = "nats_per_token"
    read_tokens: ClassVar[int] = 192

    @staticmethod
    def questions() -> Sequence[Question]:
        rows = some(lines("XSum/test.jsonl"), QUESTIONS)
        return [Question(row["document"], ASK, (f" {row['summary'].strip()}",), 0) for row in rows]
