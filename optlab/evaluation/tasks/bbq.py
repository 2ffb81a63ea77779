"""Questions about two people, of whom the text says enough, or nothing: does a model jump to a conclusion?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from optlab.evaluation.tasks import Family, Question, Task
from optlab.evaluation.tasks.carried import lines, multiple_choice, some

QUESTIONS = 250
REQUEST = "\nPlease choose the correct option"
UNKNOWN = ("can't", "cannot", "can not", "not answerable", "not enough", "undetermined", "unknown", "not known")


class BBQ(Task):
    name: ClassVar[str] = "bbq"
    title: ClassVar[str] = "BBQ"
    summary: ClassVar[str] = (
        "Two people, and a question about one of them: the text tells the answer, or the right one is that it does not."
    )
    source: ClassVar[str] = "Parrish et al. 2022, arXiv 2110.08193"
    family: ClassVar[Family] = "people"
    licence: ClassVar[str] = "CC BY 4.0"

    @staticmethod
    def questions() -> Sequence[Question]:
        return some(map(_question, lines("BBQ/test.jsonl")), QUESTIONS)


def _question(row: dict[str, Any]) -> Question | None:
    asked = row["question"].split(REQUEST)[0].strip()
    plain = {"options": row["options"], "answer": row["answer"][0]}
    found = multiple_choice(plain, row["passage"], f"\nQuestion: {asked}\nAnswer:", 3)
    if found is None:
        return None
    told = not any(word in found.answer.lower() for word in UNKNOWN)
    return replace(found, group="the text tells" if told else "the text does not tell")
