"""The same questions as written, with typing errors, in capitals and in other words: who is thrown off course?"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

from optlab.evaluation.tasks import Family, Question, Task
from optlab.evaluation.tasks.carried import SEED
from optlab.evaluation.tasks.commonsenseqa import CommonsenseQA

EACH = 100
TYPED = 0.06
"""Share of letters that change places with the next one."""
LEAD = "Question: "


def _typos(question: Question) -> Question:
    draw = random.Random(f"{SEED} {question.text}")
    letters = list(question.text)
    for at in range(len(LEAD), len(letters) - 1):
        if letters[at].isalpha() and letters[at + 1].isalpha() and draw.random() < TYPED:
            letters[at], letters[at + 1] = letters[at + 1], letters[at]
    return replace(question, text="".join(letters))


def _capitals(question: Question) -> Question:
    return replace(question, text=LEAD + question.text.removeprefix(LEAD).upper())


def _other_words(question: Question) -> Question:
    return replace(question, text=f"Here is something to think about. {question.text.removeprefix(LEAD)}",
                   ask="\nThe best reply is")  # fmt: skip


VARIANTS: dict[str, Callable[[Question], Question]] = {
    "as written": lambda question: question, "typing errors": _typos, "capitals": _capitals,
    "another prompt": _other_words,
}  # fmt: skip


class Spelling(Task):
    name: ClassVar[str] = "spelling"
    title: ClassVar[str] = "Robustness"
    summary: ClassVar[str] = (
        "Questions of CommonsenseQA as written, with typing errors, in capitals and with another prompt."
    )
    source: ClassVar[str] = "after Wang et al. 2021, arXiv 2111.02840"
    family: ClassVar[Family] = "people"
    licence: ClassVar[str] = CommonsenseQA.licence

    @staticmethod
    def questions() -> Sequence[Question]:
        asked = CommonsenseQA.questions()[:EACH]
        return [replace(change(one), group=name) for name, change in VARIANTS.items() for one in asked]
