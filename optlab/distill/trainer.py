"""The training of a student: which windows it sees, what it is compared with, and when it is over.

The last windows of the calibration text are held out, so that the curve a person watches is not that of memorized text.
The teacher's answers come from its cache, except where a loss looks inside the teacher's blocks. The
training keeps its state: stopped or killed, the same recipe goes on where it was.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from optlab.distill.attention import Attentions
from optlab.distill.curve import Curve
from optlab.distill.head import ROWS, by_pieces, head, head_parameters, predicting
from optlab.distill.hidden import Outputs
from optlab.distill.losses import mixed
from optlab.distill.teacher_cache import AskedTeacher, Teacher, TeacherCache
from optlab.models.optimizer import AdamW
from optlab.models.train import Enough, Point, Schedule, shuffled_rows, train
from optlab.results.training import TrainingSoFar

if TYPE_CHECKING:
    from optlab.context import Context
    from optlab.models.language_model import LanguageModel

HELD_OUT_TOKENS = 4096
HELD_OUT_SHARE = 0.1
LOOKS = 20
"""How often the held-out loss is measured during a training."""


@dataclass(frozen=True)
class Lesson:
    """What is learned. soft: loss of student's and teacher's logits [B, T, V]; inner: of what happens inside their
    blocks, or None. alpha: weight of the text itself. patience: looks without progress after which it is over, or None.
    looks_at: what inner is given, the blocks' "outputs" or their "attention"."""

    soft: Callable[[Tensor, Tensor], Tensor]
    inner: Callable[[list[Tensor], list[Tensor]], Tensor] | None
    alpha: float
    window: int
    patience: int | None = None
    looks_at: str | None = None


def teach(context: Context, lesson: Lesson, schedule: Schedule) -> None:
    """Train `context.model` in place against `context.teacher`; how it went is added to `context.trainings`.

    Raises TextError (too short a text), MeasurementError (a full disk), Cancelled, after which the same call goes on.
    """
    model, teacher = context.model, context.teacher
    windows = torch.tensor(context.training_windows(lesson.window), device=model.device)
    aside = min(HELD_OUT_TOKENS // lesson.window, int(len(windows) * HELD_OUT_SHARE))
    held_out, seen = windows[len(windows) - aside :], windows[: len(windows) - aside]
    optimizer = AdamW(model.module.parameters(), schedule.learning_rate, weight_decay=schedule.weight_decay)
    for name in context.stored:
        weight = model.module_named(name).get_parameter("weight")
        optimizer.hold(weight, weight != 0)
    curve = Curve()
    listener = Attentions if lesson.looks_at == "attention" else Outputs
    listening = [listener(one) for one in (model, teacher)] if lesson.inner and lesson.alpha < 1.0 else []
    cached = not listening and lesson.alpha < 1.0 and os.environ.get("OPTLAB_TEACHER_CACHE", "1") != "0"
    answers: Teacher = (TeacherCache if cached else AskedTeacher)(teacher, seen)
    of_head = head_parameters(model)

    def loss_of(rows: Tensor) -> Tensor:
        batch = seen[rows]
        true, hidden = batch[:, 1:].flatten(), predicting(model.hidden(batch))
        if lesson.alpha == 1.0:
            return by_pieces(hidden, of_head, lambda piece, place: F.cross_entropy(head(model, piece), true[place]))
        with torch.no_grad():
            answer = answers.read(rows)

        def of_piece(piece: Tensor, place: slice) -> Tensor:
            logits = head(model, piece)
            with torch.no_grad():
                wanted = answers.logits(answer[place])
            soft = lesson.soft(logits, wanted)
            return mixed(F.cross_entropy(logits, true[place]), soft, lesson.alpha) if lesson.alpha else soft

        loss = by_pieces(hidden, of_head, of_piece)
        if listening and lesson.inner is not None:
            loss = loss + (1 - lesson.alpha) * lesson.inner(listening[0].states(), listening[1].states())
        return loss

    def watch(point: Point) -> TrainingSoFar:
        curve.add(point.step, point.loss, point.seconds)
        done = schedule.done(point.step, point.seconds)
        if aside and done * LOOKS >= len(curve.held_out):
            with torch.autocast(model.device.type, torch.bfloat16, enabled=schedule.mixed_precision):
                curve.hold(point.step, nll(model, held_out, schedule.batch), point.seconds)
        speed = point.step * schedule.batch * lesson.window / max(point.seconds, 1e-9)
        left = point.seconds * (1 - done) / max(done, 1e-9)
        if lesson.patience is not None and curve.stuck(lesson.patience):
            raise Enough
        return TrainingSoFar(training=curve.training(lesson.alpha), tokens_per_s=speed, left_s=left)

    try:
        batches = shuffled_rows(len(seen), schedule.batch, context.seed)
        train(
            model.module,
            batches,
            loss_of,
            schedule,
            context.progress,
            optimizer,
            watch,
            context.training_checkpoint(),
            curve,
        )
    finally:
        for outputs in listening:
            outputs.close()
    context.trainings.append(curve.training(lesson.alpha))


@torch.no_grad()
def nll(model: LanguageModel, windows: Tensor, batch: int) -> float:
    """Mean loss in nats per token on `windows` [N, T], a batch at a time; nothing is learned from them."""
    total = 0.0
    for some in windows.split(batch):
        true, hidden = some[:, 1:].flatten(), predicting(model.hidden(some))
        for place in range(0, len(hidden), ROWS):
            logits = head(model, hidden[place : place + ROWS])
            total += float(F.cross_entropy(logits, true[place : place + ROWS], reduction="sum"))
    return total / windows[:, 1:].numel()
