"""OpenBookQA with its true answers dealt out at random: a control. Whoever measures right finds models at chance."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from optlab.evaluation.tasks import Question, Scoring, Task
from optlab.evaluation.tasks.carried import SEED
from optlab.evaluation.tasks.openbookqa import OpenBookQA


class ShuffledAnswers(Task):
    name: ClassVar[str] = "shuffled_answers"
    title: ClassVar[str] = "Shuffled answers"
    summary: ClassVar[str] = (
        "A control: the questions of OpenBookQA, with the number of the true answer drawn at random. No model can do "
        "better than chance, and a score above it would mean that the measuring is wrong."
    )
    source: ClassVar[str] = OpenBookQA.source
    licence: ClassVar[str] = OpenBookQA.licence
    scoring: ClassVar[Scoring] = OpenBookQA.scoring
    control: ClassVar[bool] = True

    @staticmethod
    def questions() -> Sequence[Question]:
        draw = random.Random(SEED)
        return [replace(one, right=draw.randrange(len(one.choices))) for one in OpenBookQA.questions()]
