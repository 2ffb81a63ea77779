"""Distillation that also looks inside: the student's blocks should put out what the teacher's do (arXiv 1909.10351)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from optlab.distill.distillation import COMMON
from optlab.distill.inside import LooksInside
from optlab.methods import Parameter

if TYPE_CHECKING:
    from torch import Tensor


class HiddenMSE(LooksInside):
    """T^2 KL(teacher || student) + weight * relative squared error of the hidden states, mixed with cross-entropy."""

    name: ClassVar[str] = "hidden_mse"
    title: ClassVar[str] = "Soft labels and hidden states"
    summary: ClassVar[str] = "The student imitates the teacher's probabilities and what its blocks compute on the way."
    source: ClassVar[str] = "Jiao et al. 2019, TinyBERT, arXiv 1909.10351; Sanh et al. 2019, arXiv 1910.01108"
    looks_at: ClassVar[str | None] = "outputs"
    weight: ClassVar[str] = "hidden_weight"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        *COMMON,
        Parameter(
            "hidden_weight", float, 1.0, "Weight of the hidden states",
            "Weight of matching hidden states relative to matching predictions.",
            minimum=0.0, maximum=100.0, step=0.5, advanced=True,
        ),
    )  # fmt: skip

    def compared(self, student: list[Tensor], teacher: list[Tensor]) -> Tensor:
        """Raises RecipeError when the student is of another width."""
        from optlab.distill.losses import hidden_mse
        from optlab.errors import RecipeError

        if student[0].shape[-1] != teacher[0].shape[-1]:
            raise RecipeError("hidden states can only be compared where student and teacher are equally wide")
        return hidden_mse(student, teacher)
