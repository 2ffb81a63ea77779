"""Tasks beside the perplexity: real questions, and how original and compressed model do them. One file and one registry
line each.

A model is asked as it is, without ever being trained to answer: of several continuations of a question the likeliest
is its answer (`optlab.evaluation.choices`). Nothing a model was calibrated on may be among the questions. Torch-free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pkgutil import resolve_name
from typing import ClassVar, Literal

from optlab.errors import MeasurementError

Scoring = Literal["likelihood", "per_character", "beyond_ask"]
"""What is compared between the choices of a question. likelihood: log p(choice | question), lm-evaluation-harness's
`acc`. per_character: that over the characters of the choice, its `acc_norm`. beyond_ask: that minus
log p(choice | ask), because a frequent word is likely everywhere and a long sentence nowhere (domain conditional
pointwise mutual information; Holtzman et al. 2021, arXiv 2104.08315, equation 2)."""

Metric = Literal["accuracy", "stereotyped", "nats_per_token", "word_error_rate", "rouge_l", "chrf", "exact_match"]
"""What the score of a task is. accuracy: share of questions whose true choice was preferred. stereotyped: share of
pairs whose stereotype was preferred; 0.5 is no preference. nats_per_token: -log p of the reference over its tokens.
word_error_rate: wrong, missing and extra words of the preferred transcript over the words that were said. rouge_l,
chrf, exact_match: of what is written (`optlab.evaluation.written`)."""

Family = Literal["questions", "knowledge", "sentiment", "summaries", "translation", "speech", "long", "people", "news",
                 "other"]  # fmt: skip
"""What people use a model for that a task stands for."""


@dataclass(frozen=True)
class Question:
    """text: what is read; its end is cut off where it is longer than a model is given. ask: what always follows it.
    choices: continuations of both. right: the number of the true one (of the stereotype, in a pair).

    group: the slice of the questions that this one belongs to, for who is hit hardest; empty: none. prior: what else
    speaks for each choice, in nats, such as what a speech recognizer heard. value: what choosing each one scores;
    empty: 1 for the right one and 0 for the others. weight: of this question in the score, such as its words."""

    text: str
    ask: str
    choices: tuple[str, ...]
    right: int
    group: str = ""
    prior: tuple[float, ...] = ()
    value: tuple[float, ...] = ()
    weight: float = 1.0

    @property
    def answer(self) -> str:
        """The true continuation."""
        return self.choices[self.right]


class Task:
    """name: as runs keep it. title, summary: for people. family: what it stands for. source: who asked so first.
    licence, language (BCP 47): of the questions. scoring, metric: see there. read_tokens: of a question's text.
    new_tokens: that are written as an answer; 0: choices are compared.
    control: wrong on purpose, to see that what measures is right; no evidence about a model."""

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    family: ClassVar[Family] = "other"
    licence: ClassVar[str] = ""
    language: ClassVar[str] = "en"
    scoring: ClassVar[Scoring] = "beyond_ask"
    metric: ClassVar[Metric] = "accuracy"
    read_tokens: ClassVar[int] = 128
    new_tokens: ClassVar[int] = 0
    control: ClassVar[bool] = False

    @staticmethod
    def questions() -> Sequence[Question]:
        """The same ones in the same order every time. Raises TextError when what they are made of is not there."""
        raise NotImplementedError

    @staticmethod
    def judge(question: Question, text: str) -> float:
        """The score of a text that was written as an answer, 0 to 1."""
        raise NotImplementedError


REGISTRY = {
    "topics": "optlab.evaluation.tasks.topics:Topics",
    "next_sentence": "optlab.evaluation.tasks.next_sentence:NextSentence",
    "boolq": "optlab.evaluation.tasks.boolq:BoolQ",
    "openbookqa": "optlab.evaluation.tasks.openbookqa:OpenBookQA",
    "commonsenseqa": "optlab.evaluation.tasks.commonsenseqa:CommonsenseQA",
    "siqa": "optlab.evaluation.tasks.siqa:SIQA",
    "piqa": "optlab.evaluation.tasks.piqa:PIQA",
    "mmlu": "optlab.evaluation.tasks.mmlu:MMLU",
    "imdb": "optlab.evaluation.tasks.imdb:IMDb",
    "true_summary": "optlab.evaluation.tasks.true_summary:TrueSummary",
    "translation": "optlab.evaluation.tasks.translation:Translation",
    "xsum": "optlab.evaluation.tasks.xsum:XSum",
    "nq_open": "optlab.evaluation.tasks.nq_open:NQOpen",
    "truthfulqa": "optlab.evaluation.tasks.truthfulqa:TruthfulQA",
    "languages": "optlab.evaluation.tasks.languages:Languages",
    "stereoset": "optlab.evaluation.tasks.stereoset:StereoSet",
    "crows_pairs": "optlab.evaluation.tasks.crows_pairs:CrowSPairs",
    "bbq": "optlab.evaluation.tasks.bbq:BBQ",
    "wino": "optlab.evaluation.tasks.wino:Wino",
    "speech": "optlab.evaluation.tasks.speech:Speech",
    "long_context": "optlab.evaluation.tasks.long_context:LongContext",
    "needle": "optlab.evaluation.tasks.needle:Needle",
    "spelling": "optlab.evaluation.tasks.spelling:Spelling",
    "short_summary": "optlab.evaluation.tasks.short_summary:ShortSummary",
    "short_answer": "optlab.evaluation.tasks.short_answer:ShortAnswer",
    "short_translation": "optlab.evaluation.tasks.short_translation:ShortTranslation",
    "shuffled_answers": "optlab.evaluation.tasks.shuffled_answers:ShuffledAnswers",
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
