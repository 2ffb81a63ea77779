"""Lesson 7: what a student hears from its teacher at a temperature.

Teacher is the model of the lessons; the student is the same model with its weights on few bits, which is what
distillation is used to heal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optlab.lessons import forward, grid, tokens
from optlab.lessons.weights import Array, Weights


@dataclass(frozen=True)
class Pair:
    """Teacher and student at one place of a text. tokens: the likeliest of the teacher, spelled. teacher, student [V]:
    logits in that order."""

    tokens: list[str]
    teacher: Array
    student: Array


def student(model: Weights, bits: int, group: int = 64) -> Weights:
    """`model` with all linear layers of its blocks rounded to `bits` bits."""
    return model.replaced({name: grid.matrix(model[name], bits, group) for name in model.linear_names()})


def pair(teacher: Weights, learner: Weights, prompt: str, shown: int = 12) -> Pair:
    """Both models' scores for the token after `prompt`. Raises TextError."""
    ids = tokens.encoded(teacher, prompt, least=1)
    z, own = (forward.trace(model, ids).logits[-1] for model in (teacher, learner))
    order = np.argsort(-z, kind="stable")
    return Pair(tokens.spelled(teacher, [int(one) for one in order[:shown]]), z[order], own[order])


def softened(logits: Array, temperature: float) -> Array:
    """softmax(z / T)."""
    return forward.softmax(logits / temperature)


def divergences(found: Pair, temperature: float) -> dict[str, float]:
    """Forward and reverse KL divergence at T, each times T^2, and the entropy of the teacher; in nats."""
    log_p = forward.log_softmax(found.teacher.astype(np.float64) / temperature)
    log_q = forward.log_softmax(found.student.astype(np.float64) / temperature)
    p, q = np.exp(log_p), np.exp(log_q)
    return {
        "forward": float((p * (log_p - log_q)).sum()) * temperature**2,
        "reverse": float((q * (log_q - log_p)).sum()) * temperature**2,
        "entropy": float(-(p * log_p).sum()),
    }


def matching(found: Pair) -> float:
    """What T^2 KL approaches for a large T: half the variance of the difference of the logits (1503.02531, eq. 4)."""
    return float(np.var(found.student.astype(np.float64) - found.teacher) / 2)
