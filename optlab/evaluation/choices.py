"""What a model answers to questions with several choices, and whether a compressed one still does.

Both models are asked batch by batch, so that an asking may end once the difference is known well enough. What is
compared between choices is the task's `Scoring`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from optlab.errors import ModelError
from optlab.evaluation.likelihoods import Asked, Floats, batches, likelihoods
from optlab.evaluation.paired import FEWEST_TO_STOP, interval
from optlab.evaluation.task_statistics import Answer, compared, values
from optlab.evaluation.tasks import Metric, Question, Scoring, Task
from optlab.messages import say
from optlab.progress import Progress, silent
from optlab.results.tasks import TaskResult

if TYPE_CHECKING:
    from optlab.models.language_model import LanguageModel

FEWEST_QUESTIONS = 10 * FEWEST_TO_STOP
"""Before an asking may end: a share of few questions has no interval to go by."""
Known = dict[int, Answer]
"""Answers by the number of the question."""


def ask(
    base: LanguageModel, candidate: LanguageModel, task: type[Task], known: Known | None = None,
    points: float | None = None, tokens: int | None = None, progress: Progress = silent,
) -> TaskResult:  # fmt: skip
    """The result of a task. known: what `base` answered before; what it says now is added, so that several candidates
    share it. points: the asking ends once the interval of the difference is narrower than so many hundredths. tokens:
    as many questions, from all over the task, as `base` reads in about so many; None: all of them.

    Raises ModelError for a model that does not continue a text, TextError without what the questions are made of.
    """
    settings = (task.scoring, task.metric, task.read_tokens)
    return compare(base, candidate, task.questions(), *settings, known, points, tokens, progress)


def compare(
    base: LanguageModel, candidate: LanguageModel, questions: Sequence[Question], scoring: Scoring = "beyond_ask",
    metric: Metric = "accuracy", read_tokens: int = Task.read_tokens, known: Known | None = None,
    points: float | None = None, tokens: int | None = None, progress: Progress = silent,
) -> TaskResult:  # fmt: skip
    """Both models' answers to the same questions (`ask`)."""
    known = {} if known is None else known
    asking = [Asking(model, questions, scoring, read_tokens) for model in (base, candidate)]
    chosen = asking[0].within(tokens)
    found: Known = {}
    for batch in asking[0].batches(chosen, shuffled=points is not None):
        unknown = [number for number in batch if number not in known]
        known.update(asking[0].answers(unknown))
        found.update(asking[1].answers(batch))
        done = say("question {number} of {questions}", number=len(found), questions=len(chosen))
        progress(len(found) / len(chosen), done)
        enough = points is not None and len(found) >= FEWEST_QUESTIONS
        if enough and _width(metric, questions, known, found) < (points or 0.0):
            break
    asked = sorted(found)
    return compared(
        metric, [questions[number] for number in asked], [known[number] for number in asked],
        [found[number] for number in asked], stopped_early=len(asked) < len(chosen),
    )  # fmt: skip


def _width(metric: Metric, questions: Sequence[Question], base: Known, candidate: Known) -> float:
    """Of the interval of the difference so far, in hundredths; infinite while nothing differs: that tells no spread."""
    asked = sorted(candidate)
    some = [questions[number] for number in asked]
    before, after = (values(metric, some, [one[number] for number in asked]) for one in (base, candidate))
    told = interval(after - before)
    return 100 * (told[1] - told[0]) if told is not None and (before != after).any() else math.inf


class Asking:
    """One model that is asked questions, in batches of its own tokens."""

    def __init__(
        self, model: LanguageModel, questions: Sequence[Question], scoring: Scoring, read_tokens: int = Task.read_tokens
    ) -> None:
        """Raises ModelError for a model that does not continue a text."""
        if model.objective != "causal":
            raise ModelError(
                "{name} fills gaps in a text; tasks are asked of models that continue one", name=model.name
            )
        self.model, self.questions, self.scoring = model, questions, scoring
        self._begin = tuple(model.framing().before)
        self._asked = [self._encoded(question, read_tokens) for question in questions]
        self._alone: dict[tuple[str, tuple[str, ...]], Floats] = {}

    def within(self, tokens: int | None) -> list[int]:
        """Numbers of questions, evenly from all of them, that together cost about so many tokens; None: all."""
        costs = [self._cost(number) for number in range(len(self.questions))]
        return evenly(len(costs), len(costs) if tokens is None else round(tokens * len(costs) / sum(costs)))

    def _cost(self, number: int) -> int:
        """Tokens that are read for a question."""
        asked = self._asked[number]
        alone = sum(map(len, asked.choices)) if self.scoring == "beyond_ask" and len(asked.choices) > 1 else 0
        return asked.tokens + alone

    def batches(self, numbers: Sequence[int], shuffled: bool = False) -> list[list[int]]:
        """Those questions in groups that are read at once. shuffled: in an order that says nothing about their length,
        so that the first of them stand for all; the same every time."""
        some = [self._asked[number] for number in numbers]
        found = [[numbers[one] for one in batch] for batch in batches(some, self.model.device.type)]
        if shuffled:
            np.random.default_rng(0).shuffle(found)
        return found

    def answers(self, numbers: Sequence[int]) -> Known:
        """What the model answers to some of the questions. Raises MeasurementError when its logits are not finite."""
        if not numbers:
            return {}
        if self.scoring == "beyond_ask":
            self._learn_alone(numbers)
        found: Known = {}
        for number, said in zip(numbers, likelihoods(self.model, [self._asked[one] for one in numbers]), strict=True):
            question = self.questions[number]
            scores = said
            if self.scoring == "per_character":
                scores = said / np.array([max(len(choice.strip()), 1) for choice in question.choices])
            elif self.scoring == "beyond_ask":
                scores = said - self._alone[_alone(question)]
            if question.prior:
                scores = scores + np.array(question.prior)
            found[number] = Answer(scores, said, len(self._asked[number].choices[question.right]))
        return found

    def _learn_alone(self, numbers: Sequence[int]) -> None:
        """log p of the choices after what is asked, without the text, of questions where it is not known yet."""
        missing: dict[tuple[str, tuple[str, ...]], Asked] = {}
        for number in numbers:
            question = self.questions[number]
            if _alone(question) not in self._alone:
                prompt = (*self._begin, *self.model.tokenizer.encode(question.ask))
                missing[_alone(question)] = Asked(prompt, self._asked[number].choices)
        keys, asked = list(missing), list(missing.values())
        for batch in batches(asked, self.model.device.type):
            said = likelihoods(self.model, [asked[one] for one in batch])
            self._alone.update(zip([keys[one] for one in batch], said, strict=True))

    def _encoded(self, question: Question, read_tokens: int) -> Asked:
        """Prompt and choices meet as they do in one text: the tokens of a choice are what the whole has beyond the
        prompt. Where the text is too long its end is cut, and text and question are tokenized apart."""
        encode = self.model.tokenizer.encode
        text, asked = encode(question.text), encode(question.ask)
        longest = max(len(encode(choice)) for choice in question.choices)
        room = min(read_tokens, self.model.description.context_length - len(self._begin) - len(asked) - longest)
        before = question.text + question.ask if len(text) <= room else question.ask
        whole = encode(before)
        choices = [encode(before + choice)[len(whole) :] or encode(choice) for choice in question.choices]
        prompt = whole if len(text) <= room else text[: max(room, 0)] + asked
        if not prompt and not self._begin:
            raise ModelError("{name} has nothing to begin a text with", name=self.model.name)
        return Asked((*self._begin, *prompt), tuple(map(tuple, choices)))


def evenly(count: int, some: int) -> list[int]:
    """`some` of the numbers below `count` at equal distances: at least one, at most all."""
    some = max(1, min(some, count))
    return [number * count // some for number in range(some)]


def _alone(question: Question) -> tuple[str, tuple[str, ...]]:
    """What decides how likely the choices are without the text."""
    return question.ask, question.choices
