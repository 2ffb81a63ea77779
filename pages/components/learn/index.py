"""The lessons in the order in which they build on each other, by the name that stands in the address."""

from __future__ import annotations

from typing import Protocol

from pages.components.learn import (
    attention,
    combination,
    compensation,
    formats,
    grid,
    outliers,
    perplexity,
    pruning,
    scales,
    softmax,
    speculation,
    speed,
    temperature,
    whom,
)
from pages.components.learn.parts import Question


class Lesson(Protocol):
    """A module of this folder. All are asked while a page is drawn, so that they speak the reader's language."""

    def title(self) -> str: ...

    def promise(self) -> str:
        """What a reader will see, in one sentence."""

    def show(self) -> None:
        """Draw the lesson. Raises OptLabError with a sentence for the reader."""

    def questions(self) -> list[Question]: ...


LESSONS: dict[str, Lesson] = {
    "attention": attention,
    "softmax": softmax,
    "perplexity": perplexity,
    "grid": grid,
    "compensation": compensation,
    "outliers": outliers,
    "temperature": temperature,
    "pruning": pruning,
    "formats": formats,
    "speed": speed,
    "combination": combination,
    "scales": scales,
    "speculation": speculation,
    "whom": whom,
}
