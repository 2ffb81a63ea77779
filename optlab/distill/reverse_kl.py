"""Distillation by reverse KL: the student does well what it can, instead of everything a little (arXiv 2306.08543)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from optlab.distill.distillation import Distillation

if TYPE_CHECKING:
    from torch import Tensor


class ReverseKL(Distillation):
    """T^2 KL(student || teacher), mixed with cross-entropy by alpha."""

    name: ClassVar[str] = "reverse_kl"
    title: ClassVar[str] = "Soft labels (reverse KL)"
    summary: ClassVar[str] = "The student keeps to what the teacher is sure of, and may leave out its rare tokens."
    source: ClassVar[str] = "Gu et al. 2023, MiniLLM, arXiv 2306.08543 (token-level form)"

    def soft_loss(self, student: Tensor, teacher: Tensor) -> Tensor:
        from optlab.distill.losses import reverse_kl

        return reverse_kl(student, teacher, float(self.values["temperature"] or 1.0))
