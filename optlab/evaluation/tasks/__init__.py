"""Tasks beside the perplexity: questions with several answers, one of them right. One file and one registry line each.

A model is asked as it is, without ever being trained to answer: what follows the question decides, by its likelihood
(`optlab.evaluation.choices`). Nothing a model was calibrated on may be among the questions. Torch-free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pkgutil import resolve_name
from typing import ClassVar

from optlab.errors import MeasurementError


@dataclass(frozen=True)
class Question:
    """text: what is read; its end is cut off where it is longer than a model is given. ask: what always follows it,
    never empty. choices: continuations of both. right: the number of the true one."""

    text: str
    ask: str
    choices: tuple[str, ...]
    right: int

    @property
    def answer(self) -> str:
        """The true continuation."""
        return self.choices[self.right]


class Task:
    """name: as runs keep it. title, summary: for people. source: who asked so first."""

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]

    @staticmethod
    def questions() -> Sequence[Question]:
        """The same ones in the same order every time. Raises TextError when what they are made of is not there."""
        raise NotImplementedError


REGISTRY = {
    "topics": "optlab.evaluation.tasks.topics:Topics",
    "next_sentence": "optlab.evaluation.tasks.next_sentence:NextSentence",
}


@cache
def task(name: str) -> type[Task]:
    """The class of a task. Raises MeasurementError when there is none of that name."""
    if name not in REGISTRY:
        raise MeasurementError("there is no task {name!r}; there are {tasks}", name=name, tasks=", ".join(REGISTRY))
    found = resolve_name(REGISTRY[name])
    assert issubclass(found, Task) and found.name == name, f"registry line of {name} is wrong"
    return found


def tasks() -> list[type[Task]]:
    """All tasks, in the order in which they are shown."""
    return [task(name) for name in REGISTRY]
