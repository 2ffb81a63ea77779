"""A number that was named once in a long text: is it found again?"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import ClassVar

from optlab.evaluation.tasks import Family, Question, Scoring, Task
from optlab.evaluation.tasks.carried import SEED

LENGTHS = (60, 180, 420)
"""Words of a text."""
EACH = 40
CHOICES = 4
PLACES = ("Lagos", "Quito", "Oslo", "Hanoi", "Perth", "Cairo", "Lima", "Turin", "Kyoto", "Dakar")


class Needle(Task):
    name: ClassVar[str] = "needle"
    title: ClassVar[str] = "Needle in a haystack"
    summary: ClassVar[str] = (
        "A text of 60, 180 or 420 words names the numbers of four rooms; one of them is asked for at its end."
    )
    source: ClassVar[str] = "after Hsieh et al. 2024 (RULER), arXiv 2404.06654"
    family: ClassVar[Family] = "long"
    licence: ClassVar[str] = "made by OptLab around the World English Bible (public domain)"
    scoring: ClassVar[Scoring] = "likelihood"
    read_tokens: ClassVar[int] = 900

    @staticmethod
    def questions() -> Sequence[Question]:
        from optlab.texts.splits import evaluation_documents

        draw = random.Random(SEED)
        told = [text.split() for text in evaluation_documents("web-bible")]
        found = []
        for length in LENGTHS:
            long = [words for words in told if len(words) >= length]
            found += [_question(draw, words[:length], length) for words in draw.sample(long, EACH)]
        return found


def _question(draw: random.Random, words: Sequence[str], length: int) -> Question:
    """The four sentences stand at random places, in random order; so does the one that is asked for."""
    places = draw.sample(PLACES, CHOICES)
    numbers = [str(number) for number in draw.sample(range(1000, 10_000), CHOICES)]
    told = list(words)
    for at, (place, number) in sorted(zip(draw.sample(range(length), CHOICES), zip(places, numbers, strict=True),
                                          strict=True), reverse=True):  # fmt: skip
        told.insert(at, f"The room number in {place} is {number}.")
    right = draw.randrange(CHOICES)
    asked = f"\nThe room number in {places[right]} is"
    return Question(" ".join(told), asked, tuple(f" {one}" for one in numbers), right, group=f"{length} words")
