"""AdamW and its learning-rate schedule, from scratch: what trains nano, students and recoveries.

AdamW: Loshchilov and Hutter, arXiv 1711.05101, algorithm 2 (decoupled weight decay, bias-corrected moments).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


class AdamW:
    """Decoupled weight decay on matrices, none on vectors (norms, biases), as is usual for Transformers.

    State and parameters stay in the parameters' dtype; a mask given to `hold` keeps pruned weights at zero.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        learning_rate: float,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-8,
        weight_decay: float = 0.1,
    ) -> None:
        trainable = [p for p in parameters if p.requires_grad]
        self.groups = [
            ([p for p in trainable if p.ndim >= 2], weight_decay),
            ([p for p in trainable if p.ndim < 2], 0.0),
        ]
        self.learning_rate, self.betas, self.eps = learning_rate, betas, eps
        self.first = [[torch.zeros_like(p) for p in group] for group, _ in self.groups]
        self.second = [[torch.zeros_like(p) for p in group] for group, _ in self.groups]
        self.masks: list[tuple[Tensor, Tensor]] = []
        self.steps = 0

    def hold(self, parameter: Tensor, mask: Tensor) -> None:
        """Keep `parameter` at zero where `mask` (same shape, bool) is False."""
        self.masks.append((parameter, mask))

    @torch.no_grad()
    def step(self, learning_rate: float | None = None) -> None:
        """One update from the gradients, which are then dropped."""
        rate = self.learning_rate if learning_rate is None else learning_rate
        self.steps += 1
        beta1, beta2 = self.betas
        correction1 = 1 - beta1**self.steps
        correction2 = math.sqrt(1 - beta2**self.steps)
        for (group, decay), m, v in zip(self.groups, self.first, self.second, strict=True):
            moving = [i for i, p in enumerate(group) if p.grad is not None]
            if not moving:
                continue
            p = [group[i] for i in moving]
            g = [gradient for i in moving if (gradient := group[i].grad) is not None]
            m, v = [m[i] for i in moving], [v[i] for i in moving]
            torch._foreach_mul_(p, 1 - rate * decay)
            torch._foreach_lerp_(m, g, 1 - beta1)
            torch._foreach_mul_(v, beta2)
            torch._foreach_addcmul_(v, g, g, 1 - beta2)
            scale = torch._foreach_sqrt(v)
            torch._foreach_div_(scale, correction2)
            torch._foreach_add_(scale, self.eps)
            torch._foreach_addcdiv_(p, m, scale, -rate / correction1)
        for parameter, mask in self.masks:
            parameter.mul_(mask)
        for group, _ in self.groups:
            for parameter in group:
                parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        return {"first": self.first, "second": self.second, "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name in ("first", "second"):
            for mine, theirs in zip(getattr(self, name), state[name], strict=True):
                for a, b in zip(mine, theirs, strict=True):
                    a.copy_(b)
        self.steps = state["steps"]


def clip_gradients(parameters: Iterable[Tensor], limit: float) -> float:
    """Scale all gradients so that their joint 2-norm is at most `limit`; returns the norm before."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    torch._foreach_mul_(gradients, (limit / (norm + 1e-6)).clamp(max=1.0).item())
    return norm.item()


def warmup_cosine(step: int, steps: int, peak: float, warmup: int, floor: float = 0.1) -> float:
    """Learning rate of step 0..steps-1: linear up to `peak` over `warmup` steps, then a cosine down to floor * peak."""
    if step < warmup:
        return peak * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))
