"""Distillation losses as plain functions of logits, each a mean over tokens, in nats.

The convention of all: teacher z_t and student z_s are [..., V]; temperature T divides both; the factor T^2 keeps the
size of the gradient comparable across temperatures, because d/dz_s of the softened loss shrinks as 1/T^2
(Hinton, Vinyals and Dean, arXiv 1503.02531, section 2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from optlab.divergence import kl_divergence, log_softmax, softened_kl


def forward_kl(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 * KL(softmax(z_t / T) || softmax(z_s / T)), mean over all positions (1503.02531).

    For large T this approaches sum((z_s - z_t)^2) / (2 V) of the centred logits: logit matching (same, eq. 4).
    """
    return softened_kl(student, teacher, temperature)


def reverse_kl(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 * KL(softmax(z_s / T) || softmax(z_t / T)), mean over all positions.

    The token-level form of MiniLLM (arXiv 2306.08543, eq. 1): the student may leave out what the teacher thinks
    possible, but pays for what the teacher thinks impossible. For large T it meets `forward_kl`.
    """
    return forward_kl(teacher, student, temperature)


def jensen_shannon(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 * (KL(p || m) + KL(q || m)) / 2 with m = (p + q) / 2, mean over all positions.

    Symmetric, and at most T^2 ln 2 however far apart the two are (Lin 1991; for language models arXiv 2306.13649).
    """
    log_p, log_q = log_softmax(teacher / temperature), log_softmax(student / temperature)
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    return (kl_divergence(log_p, log_m) + kl_divergence(log_q, log_m)).mean() * temperature**2 / 2


def hidden_mse(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """Mean squared error of the student's hidden states [B, T, D] against those of their teacher blocks, relative to
    the mean square of the latter; mean over the student's blocks.

    Block i of n answers for block round((i + 1) N / n) of the teacher's N, so that the last meets the last (the
    uniform layer map of TinyBERT, arXiv 1909.10351, section 3.2; hidden states as in DistilBERT, 1910.01108).
    """
    total = student[0].new_zeros(())
    for own, other in zip(student, (teacher[i] for i in layer_map(len(student), len(teacher))), strict=True):
        total = total + (own - other).square().mean() / other.square().mean().clamp(min=1e-12)
    return total / len(student)


def attention_kl(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """KL(teacher's attention || student's) in nats, mean over positions, heads and the student's blocks.

    Both are log-probabilities [B, heads, T, T] whose impossible entries are very small but finite; blocks as in
    `hidden_mse`. MiniLM (arXiv 2002.10957, eq. 2) compares the last block this way; the rest follows the layer-wise
    attention transfer of arXiv 1612.03928. A student with fewer heads answers for the mean of all heads.
    """
    total = student[0].new_zeros(())
    for own, other in zip(student, (teacher[i] for i in layer_map(len(student), len(teacher))), strict=True):
        if own.shape[1] != other.shape[1]:
            own, other = (x.exp().mean(1, keepdim=True).clamp(min=1e-9).log() for x in (own, other))
        total = total + kl_divergence(other, own).mean()
    return total / len(student)


def layer_map(student_blocks: int, teacher_blocks: int) -> list[int]:
    """For each block of the student the block of the teacher whose output it should have."""
    return [round((i + 1) * teacher_blocks / student_blocks) - 1 for i in range(student_blocks)]


def mixed(hard: Tensor, soft: Tensor, alpha: float) -> Tensor:
    """alpha * hard + (1 - alpha) * soft: alpha 1 is plain training on the text, alpha 0 listens to the teacher only."""
    return alpha * hard + (1 - alpha) * soft
