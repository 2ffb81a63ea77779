"""Distillation by forward KL: the student covers everything the teacher thinks possible (arXiv 1503.02531)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from optlab.distill.distillation import Distillation

if TYPE_CHECKING:
    from torch import Tensor


class ForwardKL(Distillation):
    """T^2 KL(teacher || student), mixed with cross-entropy by alpha."""

    name: ClassVar[str] = "forward_kl"
    title: ClassVar[str] = "Soft labels (forward KL)"
    summary: ClassVar[str] = "The student imitates the teacher's full probabilities, softened by the temperature."
    source: ClassVar[str] = "Hinton, Vinyals and Dean 2015, arXiv 1503.02531"

    def soft_loss(self, student: Tensor, teacher: Tensor) -> Tensor:
        from optlab.distill.losses import forward_kl

        return forward_kl(student, teacher, float(self.values["temperature"] or 1.0))
