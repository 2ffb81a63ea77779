"""Distillation losses as plain functions of logits, each a mean over tokens, in nats.

The convention of all: teacher z_t and student z_s are [..., V]; temperature T divides both; the factor T^2 keeps the
size of the gradient comparable across temperatures, because d/dz_s of the softened loss shrinks as 1/T^2
(Hinton, Vinyals and Dean, arXiv 1503.02531, section 2).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def forward_kl(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 * KL(softmax(z_t / T) || softmax(z_s / T)), mean over all positions (1503.02531).

    For large T this approaches sum((z_s - z_t)^2) / (2 V) of the centred logits: logit matching (same, eq. 4).
    """
    log_p = F.log_softmax(teacher / temperature, dim=-1)
    log_q = F.log_softmax(student / temperature, dim=-1)
    return (log_p.exp() * (log_p - log_q)).sum(-1).mean() * temperature**2


def mixed(hard: Tensor, soft: Tensor, alpha: float) -> Tensor:
    """alpha * hard + (1 - alpha) * soft: alpha 1 is plain training on the text, alpha 0 listens to the teacher only."""
    return alpha * hard + (1 - alpha) * soft
