"""Distillation that looks inside as well: what the two methods share that also compare what the blocks compute."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from optlab.distill.forward_kl import ForwardKL

if TYPE_CHECKING:
    from torch import Tensor


class LooksInside(ForwardKL):
    """T^2 KL(teacher || student) + weight * `compared`, mixed with cross-entropy by alpha.

    weight: the name of the parameter that holds it. looks_at: what of all blocks `compared` is given.
    """

    weight: ClassVar[str]

    def inner_loss(self, student: list[Tensor], teacher: list[Tensor]) -> Tensor:
        """Raises as `compared`."""
        return float(self.values[self.weight]) * self.compared(student, teacher)

    def compared(self, student: list[Tensor], teacher: list[Tensor]) -> Tensor:
        """How far the blocks of the two are apart, a scalar. Raises RecipeError where they have no common measure."""
        raise NotImplementedError
