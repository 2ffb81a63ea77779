"""Which of several transcripts was said? A recognizer listed them; a language model helps it to choose.

The recognizer's own score of each transcript counts with the weight that it gives a language model itself, so the score
of who takes its first one is the recognizer alone. The lists are made once (`python -m scripts.recognize`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from optlab import paths
from optlab.errors import TextError
from optlab.evaluation.tasks import Family, Metric, Question, Scoring, Task
from optlab.evaluation.written import word_errors

SENTENCES = 60
RECOGNIZED = "PocketSphinx 5.1.1 en-us, espeak-ng en-us"
LANGUAGE_WEIGHT = 6.5
"""What PocketSphinx multiplies log-probabilities of its language model by, before it adds those of the sound."""


@dataclass(frozen=True)
class Heard:
    """said: the words. heard: transcripts, scores: of each, nats; the best first."""

    said: str
    heard: tuple[str, ...]
    scores: tuple[float, ...]


class Speech(Task):
    name: ClassVar[str] = "speech"
    title: ClassVar[str] = "Speech recognition"
    summary: ClassVar[str] = (
        "A recognizer lists what it may have heard; model and recognizer choose together. Wrong words over words said."
    )
    source: ClassVar[str] = "BBC News sentences, espeak-ng and PocketSphinx"
    family: ClassVar[Family] = "speech"
    licence: ClassVar[str] = "as BBC News; PocketSphinx BSD-2-Clause"
    metric: ClassVar[Metric] = "word_error_rate"
    scoring: ClassVar[Scoring] = "likelihood"

    @staticmethod
    def questions() -> Sequence[Question]:
        return [question(one) for one in recognized()]


def file() -> Path:
    """Where the lists are kept."""
    return paths.folder("speech") / "transcripts.json"


def recognized() -> list[Heard]:
    """The lists. Raises TextError when nobody made them here."""
    try:
        rows = json.loads(file().read_text(encoding="utf-8"))["sentences"]
        return [Heard(row["said"], tuple(row["heard"]), tuple(row["scores"])) for row in rows]
    except (OSError, ValueError, KeyError, TypeError):
        raise TextError(
            "there are no transcripts to choose from yet; install espeak-ng and pocketsphinx, "
            "then run: python -m scripts.recognize"
        ) from None


def question(one: Heard) -> Question:
    """The transcript with the fewest wrong words is the right one; what it scores is its share of wrong words."""
    words = one.said.split()
    errors = [word_errors(words, heard.split()) for heard in one.heard]
    prior = tuple(score / LANGUAGE_WEIGHT for score in one.scores)
    choices = tuple(f" {heard}" for heard in one.heard)
    value = tuple(wrong / len(words) for wrong in errors)
    return Question("", "\n", choices, errors.index(min(errors)), prior=prior, value=value, weight=float(len(words)))
