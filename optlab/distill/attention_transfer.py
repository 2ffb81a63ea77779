"""Distillation that also looks where the teacher looks: the student should look there too (2002.10957)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from optlab.distill.distillation import COMMON
from optlab.distill.inside import LooksInside
from optlab.methods import Parameter

if TYPE_CHECKING:
    from torch import Tensor


class AttentionTransfer(LooksInside):
    """T^2 KL(teacher || student) + weight * KL between their attentions, mixed with cross-entropy by alpha."""

    name: ClassVar[str] = "attention"
    title: ClassVar[str] = "Soft labels and attention"
    summary: ClassVar[str] = "The student imitates the teacher's probabilities and which earlier tokens it attends to."
    source: ClassVar[str] = "Wang et al. 2020, MiniLM, arXiv 2002.10957; Zagoruyko and Komodakis 2016, arXiv 1612.03928"
    looks_at: ClassVar[str | None] = "attention"
    weight: ClassVar[str] = "attention_weight"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        *COMMON,
        Parameter(
            "attention_weight", float, 1.0, "Weight of the attention",
            "Weight of matching attention relative to matching predictions.",
            minimum=0.0, maximum=100.0, step=0.5, advanced=True,
        ),
    )  # fmt: skip

    def compared(self, student: list[Tensor], teacher: list[Tensor]) -> Tensor:
        """student, teacher: log-attention [B, heads, T, T] of each block."""
        from optlab.distill.losses import attention_kl

        return attention_kl(student, teacher)
