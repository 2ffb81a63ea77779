"""The training loop: batches in, a loss function, an optimizer step, a report; nothing about any one method.

nano's training, distillation and recovery differ in the batches they feed and the loss they give; warm-up, cosine,
clipping, mixed precision and the way to stop are the same, and are here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from optlab.errors import Cancelled
from optlab.messages import say
from optlab.models.optimizer import AdamW, clip_gradients, warmup_cosine
from optlab.models.training_checkpoint import State, TrainingCheckpoint
from optlab.progress import Progress, silent


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train. batch in windows, learning rate per step of AdamW at its peak.

    seconds: a limit in time besides the one in steps; the learning rate then falls with the time that has passed, so
    that the training ends well whichever limit comes first.
    """

    steps: int
    batch: int
    learning_rate: float
    warmup: int = 20
    weight_decay: float = 0.1
    clip: float = 1.0
    mixed_precision: bool = False
    seconds: float | None = None

    def rate(self, step: int, elapsed: float) -> float:
        """Learning rate of step 0, 1, ... when `elapsed` seconds have passed."""
        steps = self.steps
        if self.seconds is not None and step > 0:
            steps = min(steps, max(step + 1, round(step * self.seconds / max(elapsed, 1e-9))))
        return warmup_cosine(step, steps, self.learning_rate, self.warmup)

    def done(self, steps: int, elapsed: float) -> float:
        """Share of the training that is over, 0 to 1, after `steps` steps and `elapsed` seconds."""
        return min(1.0, max(steps / self.steps, elapsed / self.seconds if self.seconds else 0.0))


@dataclass(frozen=True)
class Point:
    """One training step as it is remembered: loss in nats, seconds of training until then."""

    step: int
    loss: float
    seconds: float


class Memory(Protocol):
    """What belongs to a training and must survive with it, such as its curve."""

    def to_json(self) -> str:
        """All of it."""

    def recall(self, text: str) -> None:
        """Be again what `to_json` wrote."""


class Enough(Exception):  # noqa: N818 - not an error: the training is over in good order
    """Raised by `watch` to end a training early and in good order."""


def shuffled_rows(count: int, batch: int, seed: int) -> Iterator[Tensor]:
    """Endless batches [batch] of the numbers 0..count-1, each epoch in a new seeded order."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.empty(0, dtype=torch.long)
    while True:
        while len(rows) < batch:
            rows = torch.cat((rows, torch.randperm(count, generator=generator)))
        yield rows[:batch]
        rows = rows[batch:]


def shuffled_windows(windows: Tensor, batch: int, seed: int) -> Iterator[Tensor]:
    """Endless batches [batch, T] of rows of `windows` [N, T], each epoch in a new seeded order."""
    return (windows[rows] for rows in shuffled_rows(len(windows), batch, seed))


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
    watch: Callable[[Point], object] | None = None,
    training_checkpoint: TrainingCheckpoint | None = None,
    memory: Memory | None = None,
) -> list[Point]:
    """Train `module` in place; returns the loss of every step of this call.

    loss_of: one of `batches` -> scalar loss. watch: called after each step; what it returns is the partial result
        that `progress` gets; it may raise `Enough`.
    training_checkpoint: keeps the state; training goes on from what it holds, the batches before that are passed
        over, and once the training is over the state is forgotten. memory: is kept with the state, and reminded of it.
    Raises Cancelled from `progress`, with the module as trained so far.
    """
    optimizer = optimizer or AdamW(module.parameters(), schedule.learning_rate, weight_decay=schedule.weight_decay)
    device_type = next(module.parameters()).device.type
    curve: list[Point] = []
    begun = State()
    if training_checkpoint is not None:
        with torch.no_grad():
            begun = training_checkpoint.load(module, optimizer)
        if memory is not None and begun.memory:
            memory.recall(begun.memory)
        for _ in range(begun.steps):
            next(batches)
    point = Point(begun.steps, math.nan, begun.seconds)

    def state() -> State:
        kept = "" if memory is None else memory.to_json()
        return State(steps=point.step, seconds=point.seconds, memory=kept)

    start = time.perf_counter() - begun.seconds
    module.train()
    try:
        while schedule.done(point.step, point.seconds) < 1.0:
            with torch.autocast(device_type, dtype=torch.bfloat16, enabled=schedule.mixed_precision):
                loss = loss_of(next(batches))
            loss.backward()
            clip_gradients(module.parameters(), schedule.clip)
            optimizer.step(schedule.rate(point.step, time.perf_counter() - start))
            point = Point(point.step + 1, loss.item(), time.perf_counter() - start)
            curve.append(point)
            seen = watch(point) if watch else None
            if training_checkpoint is not None and training_checkpoint.due():
                training_checkpoint.save(module, optimizer, state())
            told = say("step {step}, loss {loss:.3f}", step=point.step, loss=point.loss)
            progress(schedule.done(point.step, point.seconds), told, seen)
    except Enough:
        pass
    except Cancelled:
        if training_checkpoint is not None and training_checkpoint.quick():
            training_checkpoint.save(module, optimizer, state())
        raise
    finally:
        module.eval()
    return curve
