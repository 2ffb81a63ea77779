"""Training a student against its teacher: the part that all distillation losses share.

The student is the model as the earlier steps of the recipe left it (recovery), or that model with fewer blocks. Pruned
weights stay zero. Every step feeds both models the same windows of the calibration text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from optlab.errors import RecipeError
from optlab.messages import Counted, Joined, say
from optlab.methods import Method, Parameter, Value
from optlab.training_parameters import training

if TYPE_CHECKING:
    from torch import Tensor

    from optlab.context import Context

COMMON = (
    Parameter(
        "temperature", float, 2.0, "Temperature",
        "Softens the teacher's probabilities: 1 leaves them as they are, higher shows more of its less likely tokens.",
        minimum=0.25, maximum=20.0, step=0.25,
    ),
    Parameter(
        "alpha", float, 0.5, "Weight of the true text (alpha)",
        "1 trains on the text alone, 0 on the teacher alone.",
        minimum=0.0, maximum=1.0, step=0.05,
    ),
    Parameter(
        "student_layers", int, None, "Student depth",
        "Number of blocks the student keeps, evenly spaced; empty keeps all and only repairs what was compressed.",
        minimum=1, maximum=256, step=1, optional=True, unit="blocks", none_label="all blocks",
    ),
    Parameter(
        "start", str, "spaced", "Student's start",
        "spaced: blocks of the teacher at even distances. influence: those that change their input most. "
        "scratch: random weights, nothing learned yet.",
        choices=("spaced", "influence", "scratch"), advanced=True,
    ),
    *training(steps=200, learning_rate=3e-4, batch=8),
    Parameter(
        "seconds", float, None, "Time limit", "Training ends after this long, or after its steps if that is sooner.",
        minimum=1.0, maximum=86_400.0, step=10.0, optional=True, unit="s", none_label="no limit", advanced=True,
    ),
    Parameter(
        "patience", int, None, "Early stop",
        "Ends after this many held-out evaluations (20 per training) without progress; empty: never.",
        minimum=1, maximum=20, step=1, optional=True, unit="evaluations", none_label="never", advanced=True,
    ),
)  # fmt: skip


class Distillation(Method):
    """Base of every distillation method; a subclass gives `soft_loss`, and may look at hidden states too."""

    kind: ClassVar[str] = "distill"
    parameters: ClassVar[tuple[Parameter, ...]] = COMMON
    needs_calibration: ClassVar[bool] = True
    changes_shape: ClassVar[bool] = True
    trains: ClassVar[bool] = True
    looks_at: ClassVar[str | None] = None
    """What `inner_loss` compares: "outputs" of all blocks [B, T, D], or their log-"attention" [B, heads, T, T]."""

    @classmethod
    def untrained(cls, values: Mapping[str, Value]) -> None:
        """Nothing is left of it but better weights. Raises RecipeError for a student with fewer blocks."""
        if values["student_layers"] is not None or values["start"] == "scratch":
            raise RecipeError("a student with blocks of its own is another model, and nobody knows how well it learns")

    @classmethod
    def describe(cls, values: Mapping[str, Value]) -> str:
        parts = [
            say("distill T {temperature:g}", temperature=values["temperature"]),
            say("alpha {alpha:g}", alpha=values["alpha"]),
            Counted("{count} step", "{count} steps", count=values["steps"]),
        ]
        if values["student_layers"]:
            parts.append(Counted("{count} block", "{count} blocks", count=values["student_layers"]))
        return Joined(", ", parts)

    def soft_loss(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Loss between logits [B, T, V]; a scalar tensor."""
        raise NotImplementedError

    def inner_loss(self, student: list[Tensor], teacher: list[Tensor]) -> Tensor:
        """Added to the soft loss: of what this method `looks_at`, block by block; a scalar tensor."""
        raise NotImplementedError

    def apply(self, context: Context) -> None:
        """Train `context.model` in place. Raises RecipeError (a depth that does not exist), Cancelled."""
        from optlab.distill.student import make
        from optlab.distill.trainer import Lesson, teach
        from optlab.models.train import Schedule

        values, model = self.values, context.model
        if values["student_layers"] is not None or values["start"] == "scratch":
            make(context, values["student_layers"], str(values["start"]))
        schedule = Schedule(
            steps=int(values["steps"]),
            batch=int(values["batch"]),
            learning_rate=float(values["learning_rate"]),
            warmup=max(1, min(20, int(values["steps"]) // 10)),
            weight_decay=0.0,
            mixed_precision=context.mixed_precision,
            seconds=values["seconds"],
        )
        inner = self.inner_loss if self.looks_at else None
        lesson = Lesson(
            self.soft_loss, inner, float(values["alpha"]), int(values["window"]), values["patience"], self.looks_at
        )
        for parameter in model.module.parameters():
            parameter.requires_grad_(True)
        try:
            teach(context, lesson, schedule)
        finally:
            for parameter in model.module.parameters():
                parameter.requires_grad_(False)
        context.refresh_stored()
