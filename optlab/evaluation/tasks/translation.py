"""Which of four messages of a program is the translation of an English one?

The pairs are JupyterLab's message catalogs; the three others are translations of other messages of about the same
length, in the same language.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from optlab.evaluation.tasks import Family, Question, Task
from optlab.evaluation.tasks.carried import some
from optlab.evaluation.tasks.catalogs import LANGUAGES, messages

EACH = 80
CHOICES = 4


class Translation(Task):
    name: ClassVar[str] = "translation"
    title: ClassVar[str] = "Right translation"
    summary: ClassVar[str] = (
        "A message of a program in English, and four in French, German or Chinese: which one is its translation."
    )
    source: ClassVar[str] = "JupyterLab's message catalogs"
    family: ClassVar[Family] = "translation"
    licence: ClassVar[str] = "BSD-3-Clause"
    language: ClassVar[str] = "mul"

    @staticmethod
    def questions() -> Sequence[Question]:
        return [one for language in LANGUAGES for one in _of(language)]


def _of(language: str) -> list[Question]:
    pairs = sorted(some(messages(language).items(), EACH), key=lambda pair: len(pair[1]))
    found = []
    for number, (english, translated) in enumerate(pairs):
        near = [pairs[other][1] for other in sorted(range(len(pairs)), key=lambda other: abs(other - number))]
        others = [one for one in dict.fromkeys(near) if one != translated][: CHOICES - 1]
        right = number % CHOICES
        choices = [f" {one}" for one in (*others[:right], translated, *others[right:])]
        name = LANGUAGES[language]
        found.append(Question(f"English: {english}", f"\n{name}:", tuple(choices), right, group=name))
    return found
