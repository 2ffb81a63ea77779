"""The training loop: batches in, a loss function, an optimizer step, a report; nothing about any one method.

nano's training, distillation and recovery differ in the batches they feed and the loss they give; warm-up, cosine,
clipping, mixed precision and the way to stop are the same, and are here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from optlab.models.optimizer import AdamW, clip_gradients, warmup_cosine
from optlab.progress import Progress, silent


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train. batch in windows, learning rate per step of AdamW."""

    steps: int
    batch: int
    learning_rate: float
    warmup: int = 20
    weight_decay: float = 0.1
    clip: float = 1.0
    mixed_precision: bool = False


@dataclass(frozen=True)
class Point:
    """One training step as it is remembered: loss in nats, seconds since the start."""

    step: int
    loss: float
    seconds: float


def shuffled_windows(windows: Tensor, batch: int, seed: int) -> Iterator[Tensor]:
    """Endless batches [batch, T] of rows of `windows` [N, T], each epoch in a new seeded order."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.empty(0, dtype=torch.long)
    while True:
        while len(rows) < batch:
            rows = torch.cat((rows, torch.randperm(len(windows), generator=generator)))
        yield windows[rows[:batch]]
        rows = rows[batch:]


def next_token_loss(logits: Tensor, ids: Tensor) -> Tensor:
    """Mean cross-entropy in nats of predicting ids[:, 1:] from logits [B, T, V] of ids [B, T]."""
    return F.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]).float(), ids[:, 1:].reshape(-1))


def train(
    module: nn.Module,
    batches: Iterator[Tensor],
    loss_of: Callable[[Tensor], Tensor],
    schedule: Schedule,
    progress: Progress = silent,
    optimizer: AdamW | None = None,
    watch: Callable[[int], dict[str, float]] | None = None,
) -> list[Point]:
    """Train `module` in place; returns the loss of every step.

    loss_of: batch [B, T] of token ids -> scalar loss. watch: called after each step with its number; what it returns
        (for instance a held-out loss) is merged into the partial result that `progress` gets.
    Raises Cancelled from `progress`, with the module as trained so far.
    """
    optimizer = optimizer or AdamW(module.parameters(), schedule.learning_rate, weight_decay=schedule.weight_decay)
    device_type = next(module.parameters()).device.type
    curve: list[Point] = []
    start = time.perf_counter()
    module.train()
    try:
        for step in range(schedule.steps):
            with torch.autocast(device_type, dtype=torch.bfloat16, enabled=schedule.mixed_precision):
                loss = loss_of(next(batches))
            loss.backward()
            clip_gradients(module.parameters(), schedule.clip)
            optimizer.step(warmup_cosine(step, schedule.steps, schedule.learning_rate, schedule.warmup))
            curve.append(Point(step + 1, loss.item(), time.perf_counter() - start))
            seen = watch(step + 1) if watch else {}
            progress(
                (step + 1) / schedule.steps,
                f"step {step + 1} of {schedule.steps}, loss {curve[-1].loss:.3f}",
                {"step": step + 1, "loss": curve[-1].loss, **seen},
            )
    finally:
        module.eval()
    return curve
