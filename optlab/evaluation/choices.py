"""How often a model gives the right one of several answers, and whether a compressed one still does.

The choices are compared by their log-likelihood after the question minus that after `ask` alone, because a frequent
word is likely everywhere and a long sentence nowhere (domain conditional pointwise mutual information; Holtzman et al.
2021, arXiv 2104.08315, equation 2). Original and compressed model read the same questions, so the interval of the
difference is paired, and answers that flip are counted both ways: an accuracy may stand still while the answers change
(Dutta et al. 2024, arXiv 2407.09141).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from optlab.divergence import log_softmax
from optlab.errors import ModelError
from optlab.evaluation.paired import Interval, interval
from optlab.evaluation.tasks import Question
from optlab.messages import say
from optlab.progress import Progress, silent, span
from optlab.results import tasks
from optlab.results.tasks import TaskResult

if TYPE_CHECKING:
    from optlab.models.language_model import LanguageModel

READ_TOKENS = 128
"""Of a question's text."""
Z95 = 1.959963984540054


@dataclass(frozen=True)
class Accuracy:
    """Share of questions that were answered rightly, with Wilson's 95 % interval; right: one truth value for each."""

    share: float
    ci95: Interval
    right: tuple[bool, ...]


def compare(
    base: LanguageModel, candidate: LanguageModel, questions: Sequence[Question], progress: Progress = silent
) -> TaskResult:
    """Accuracy of both on the same questions, and the paired difference.

    Raises ModelError for a model that does not continue a text.
    """
    found = [
        accuracy(base, questions, span(progress, 0.0, 0.5)),
        accuracy(candidate, questions, span(progress, 0.5, 1.0)),
    ]
    before, after = (np.array(one.right, dtype=float) for one in found)
    shares = [tasks.Accuracy(accuracy=one.share, ci95=one.ci95) for one in found]
    delta = tasks.AccuracyDelta(
        accuracy=float(after.mean() - before.mean()),
        ci95=interval(after - before),
        lost=int(((before == 1) & (after == 0)).sum()),
        won=int(((before == 0) & (after == 1)).sum()),
    )
    return TaskResult(
        questions=len(questions), always_the_same=most_common_share(questions), base=shares[0], candidate=shares[1],
        delta=delta,
    )  # fmt: skip


def accuracy(model: LanguageModel, questions: Sequence[Question], progress: Progress = silent) -> Accuracy:
    """How often the right choice is the one that `model` finds likeliest."""
    if model.objective != "causal":
        raise ModelError("{name} fills gaps in a text; tasks are asked of models that continue one", name=model.name)
    begin = list(model.framing().before)
    alone: dict[tuple[str, tuple[str, ...]], np.ndarray[Any, Any]] = {}
    right = []
    for number, question in enumerate(questions, 1):
        ask, choices = model.tokenizer.encode(question.ask), [model.tokenizer.encode(one) for one in question.choices]
        room = min(READ_TOKENS, model.description.context_length - len(begin) - len(ask) - max(map(len, choices)))
        asked = question.ask, question.choices
        if asked not in alone:
            alone[asked] = likelihoods(model, begin + ask, choices)
        read = model.tokenizer.encode(question.text)[:room]
        found = likelihoods(model, begin + read + ask, choices) - alone[asked]
        right.append(int(found.argmax()) == question.right)
        progress(
            number / len(questions), say("question {number} of {questions}", number=number, questions=len(questions))
        )
    return Accuracy(sum(right) / len(right), wilson(sum(right), len(right)), tuple(right))


@torch.inference_mode()
def likelihoods(model: LanguageModel, prompt: list[int], choices: Sequence[list[int]]) -> np.ndarray[Any, Any]:
    """log p(choice | prompt) of every choice, float64 [choices]; those that differ in their last token share a pass."""
    known: dict[tuple[int, ...], torch.Tensor] = {}
    totals = []
    for choice in choices:
        begun = tuple(choice[:-1])
        if begun not in known:
            ids = torch.tensor([[*prompt, *begun]], dtype=torch.long, device=model.device)
            known[begun] = log_softmax(model.head(model.hidden(ids)[:, len(prompt) - 1 :])[0])
        places = torch.arange(len(choice), device=model.device)
        chosen = torch.tensor(choice, dtype=torch.long, device=model.device)
        totals.append(float(known[begun][places, chosen].double().sum()))
    return np.array(totals)


def most_common_share(questions: Sequence[Question]) -> float:
    """The share of the most frequent answer: what a model reaches that always says the same."""
    return max(Counter(question.answer for question in questions).values()) / len(questions)


def wilson(right: int, of: int, z: float = Z95) -> Interval:
    """Wilson's score interval of a share (Wilson 1927): inside [0, 1], and honest for few and for extreme counts."""
    share = right / of
    centre = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return max(centre - half, 0.0), min(centre + half, 1.0)
