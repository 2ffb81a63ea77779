"""The same sentences in four languages: does a compression cost some languages more than others?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from optlab.evaluation.tasks import Family, Metric, Question, Task
from optlab.evaluation.tasks.carried import some
from optlab.evaluation.tasks.catalogs import LANGUAGES, messages

EACH = 60


class Languages(Task):
    name: ClassVar[str] = "languages"
    title: ClassVar[str] = "Four languages"
    summary: ClassVar[str] = (
        "The same messages of a program in English, French, German and Chinese: how surprised a model is by each."
    )
    source: ClassVar[str] = "JupyterLab's message catalogs"
    family: ClassVar[Family] = "people"
    licence: ClassVar[str] = "BSD-3-Clause"
    language: ClassVar[str] = "mul"
    metric: ClassVar[Metric] = "nats_per_token"

    @staticmethod
    def questions() -> Sequence[Question]:
        catalogs = {name: messages(language) for language, name in LANGUAGES.items()}
        shared = [one for one in catalogs["German"] if all(one in catalog for catalog in catalogs.values())]
        chosen = some(shared, EACH)
        sides = {"English": dict(zip(chosen, chosen, strict=True)), **catalogs}
        return [Question("", "\n", (catalog[one],), 0, group=name) for name, catalog in sides.items() for one in chosen]
