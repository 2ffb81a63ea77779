"""Lessons 2 and 3: from the model's scores to a probability, from the probability to a loss, and to perplexity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optlab.lessons import forward, tokens
from optlab.lessons.weights import Array, Weights


@dataclass(frozen=True)
class Choice:
    """What may follow a prompt, the likeliest first: tokens as they read, logits and probabilities [V], V the whole
    vocabulary."""

    tokens: list[str]
    logits: Array
    probabilities: Array

    def entropy(self) -> float:
        """Of the probabilities, in nats."""
        kept = self.probabilities[self.probabilities > 0]
        return float(-(kept * np.log(kept)).sum())


def choices(model: Weights, prompt: str, temperature: float = 1.0, shown: int = 40) -> Choice:
    """The next token after `prompt` at a temperature above 0; only the first `shown` tokens are spelled. Raises
    TextError."""
    scores = forward.trace(model, tokens.encoded(model, prompt, least=1)).logits[-1]
    order = np.argsort(-scores, kind="stable")
    spelled = tokens.spelled(model, [int(one) for one in order[:shown]])
    return Choice(spelled, scores[order], forward.softmax(scores[order] / temperature))


def cross_entropy(probability: float) -> float:
    """-ln p: the loss when the right token had probability p > 0, in nats."""
    return float(-np.log(probability))


@dataclass(frozen=True)
class Reading:
    """A text read token by token, T - 1 predictions.

    tokens [T]; nll [T - 1]: -ln of the probability of token t + 1; rank [T - 1]: 1 when it was the likeliest;
    running [T - 1]: perplexity of the text so far.
    """

    tokens: list[str]
    nll: Array
    rank: Array
    running: Array
    characters: int

    @property
    def perplexity(self) -> float:
        """exp of the mean loss."""
        return float(np.exp(self.nll.mean()))

    @property
    def bits_per_character(self) -> float:
        """The same loss per character of the predicted part, in bits: comparable between tokenizers."""
        return float(self.nll.sum() / np.log(2) / self.characters)


def reading(model: Weights, text: str) -> Reading:
    """How surprised `model` is by every token of `text` after the first. Raises TextError."""
    ids = tokens.encoded(model, text, most=256)
    scores = forward.trace(model, ids).logits[:-1]
    right = np.asarray(ids[1:])
    chosen = scores[np.arange(len(right)), right]
    nll = -forward.log_softmax(scores)[np.arange(len(right)), right]
    running = np.exp(np.cumsum(nll) / np.arange(1, len(nll) + 1))
    characters = max(len(model.tokenizer.decode(ids[1:])), 1)
    return Reading(tokens.spelled(model, ids), nll, 1 + (scores > chosen[:, None]).sum(-1), running, characters)
