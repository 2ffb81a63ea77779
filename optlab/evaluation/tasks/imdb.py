"""Is a review of a film positive or negative?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from optlab.evaluation.tasks import Family, Question, Task
from optlab.evaluation.tasks.carried import some, table

QUESTIONS = 200
ASK = "\nOverall, the review of this film is"
CHOICES = (" negative", " positive")


class IMDb(Task):
    name: ClassVar[str] = "imdb"
    title: ClassVar[str] = "Film reviews"
    summary: ClassVar[str] = "Sentiment: whether a review of a film is positive or negative."
    source: ClassVar[str] = "Maas et al. 2011, aclanthology.org/P11-1015"
    family: ClassVar[Family] = "sentiment"
    licence: ClassVar[str] = "none stated; for research"
    read_tokens: ClassVar[int] = 192

    @staticmethod
    def questions() -> Sequence[Question]:
        rows = some(table("imdb/sample.csv"), QUESTIONS)
        return [Question(row["text"].replace("<br />", " "), ASK, CHOICES, int(row["label"])) for row in rows]
