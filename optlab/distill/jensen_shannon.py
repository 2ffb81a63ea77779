"""Distillation by the Jensen-Shannon divergence: a bounded middle between forward and reverse KL (arXiv 2306.13649)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from optlab.distill.distillation import Distillation

if TYPE_CHECKING:
    from torch import Tensor


class JensenShannon(Distillation):
    """T^2 JS(teacher, student), mixed with cross-entropy by alpha."""

    name: ClassVar[str] = "jensen_shannon"
    title: ClassVar[str] = "Soft labels (Jensen-Shannon)"
    summary: ClassVar[str] = "Between forward and reverse KL: symmetric, and never huge where the two disagree."
    source: ClassVar[str] = "Lin 1991; Agarwal et al. 2023, arXiv 2306.13649"

    def soft_loss(self, student: Tensor, teacher: Tensor) -> Tensor:
        from optlab.distill.losses import jensen_shannon

        return jensen_shannon(student, teacher, float(self.values["temperature"] or 1.0))
