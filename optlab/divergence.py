"""Log-probabilities of logits and how far two distributions are apart: the one place that spells either.

Measurements, probes and losses all compare two predictions over a whole vocabulary. Everything here works along the
last dimension, in nats, and in float32 at least: a half-precision sum over 50,000 words is off in its third digit.
Gradients flow through all of it.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def log_softmax(logits: Tensor) -> Tensor:
    """Log-probabilities [..., V] of logits [..., V]: float32, or float64 where the logits are."""
    return F.log_softmax(logits if logits.dtype == torch.float64 else logits.float(), dim=-1)


def kl_divergence(log_p: Tensor, log_q: Tensor, p: Tensor | None = None) -> Tensor:
    """The Kullback-Leibler divergence KL(p || q) = sum p (log p - log q) of log-probabilities [..., V]; nats, [...].

    An outcome with p = 0 adds nothing, also where q is 0 too; one with q = 0 alone makes it infinite. Rounding may
    leave a sum a little below zero. p: exp(log_p), where whoever asks has it already.
    """
    p = log_p.exp() if p is None else p
    found = (p * (log_p - log_q)).sum(-1)
    if bool(found.isnan().any()):  # 0 * infinity; asked for afterwards because it is rare and costs another pass
        found = torch.where(p == 0, 0.0, p * (log_p - log_q)).sum(-1)
    return found


def softened_kl(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """T^2 KL(softmax(z_t / T) || softmax(z_s / T)) of logits [..., V], mean over all positions.

    T^2 keeps the size of the gradient, which shrinks as 1 / T^2 (Hinton, Vinyals and Dean, arXiv 1503.02531, section
    2). For a teacher without gradient the student's, T (q - p) / positions, is written down instead of derived.
    """
    if teacher.requires_grad:
        log_p, log_q = log_softmax(teacher / temperature), log_softmax(student / temperature)
        return kl_divergence(log_p, log_q).mean() * temperature**2
    found: Tensor = _SoftenedKL.apply(student, teacher, temperature)
    return found


class _SoftenedKL(torch.autograd.Function):
    """Value and gradient in a third of the passes over the vocabulary that autograd takes."""

    @staticmethod
    def forward(ctx: Any, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        log_q, log_p = log_softmax(student / temperature), log_softmax(teacher / temperature)
        p = log_p.exp()
        positions = student.numel() // student.shape[-1]
        value = kl_divergence(log_p, log_q, p).sum() * (temperature**2 / positions)
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(log_q.exp_().sub_(p).mul_(temperature / positions))
        return value

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (own,) = ctx.saved_tensors
        return own * gradients[0], None, None
