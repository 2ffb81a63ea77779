"""L1 training: the loss pays for the size of every weight, so that training itself presses the useless ones to zero.

The penalty is the mean over layers of mean |w|, each in units of what it was at the start: strength is in nats, the
same for models of any size (Tibshirani's lasso, 1996; for networks Han et al., arXiv 1506.02626, section 3.1). At three
quarters of the steps the smallest weights become zero, and the rest settles without changing masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from optlab.methods import Parameter
from optlab.prune.scored import SPARSITY
from optlab.prune.trained import TRAINING, TrainedPruning

if TYPE_CHECKING:
    from torch import Tensor


class L1(TrainedPruning):
    """Train with a price on every weight, then zero the smallest."""

    name: ClassVar[str] = "l1"
    title: ClassVar[str] = "L1 training"
    summary: ClassVar[str] = "Trains with a penalty on the size of every weight, then zeroes the smallest."
    source: ClassVar[str] = "Tibshirani 1996; Han et al. 2015, arXiv 1506.02626"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        SPARSITY,
        Parameter(
            "strength", float, 1.0, "L1 penalty",
            "The penalty of all weights at the start, relative to the loss: more pushes harder towards zero.",
            minimum=0.0, maximum=100.0, step=0.5, unit="nats",
        ),
        *TRAINING,
    )  # fmt: skip

    _start: list[Tensor] | None = None
    _pressing = True

    def share_at(self, step: int, last: int) -> float | None:
        self._pressing = step < last
        return self.values["sparsity"] if step == last else None

    def penalty(self, weights: Sequence[Tensor]) -> Tensor | None:
        import torch

        if not self._pressing:
            return None
        now = [W.abs().mean() for W in weights]
        if self._start is None:
            self._start = [size.detach().clamp(min=1e-12) for size in now]
        price: Tensor = torch.stack([a / b for a, b in zip(now, self._start, strict=True)]).mean()
        return self.values["strength"] * price
