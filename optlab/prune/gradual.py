"""Gradual magnitude pruning: sparsity rises while the model trains, fast at first and ever more slowly.

After step t of n the share of zeros is s_f - s_f (1 - t/n)^3 (Zhu and Gupta, arXiv 1710.01878, eq. 1, from 0): many
weights can go while most are left to make up for them, few near the end.
"""

from __future__ import annotations

from typing import ClassVar

from optlab.prune.trained import TrainedPruning


class Gradual(TrainedPruning):
    """Zero the smallest weights, more with every step, and train what is left."""

    name: ClassVar[str] = "gradual"
    title: ClassVar[str] = "Gradual, while training"
    summary: ClassVar[str] = "Trains while the smallest weights go, many at first and few at last."
    source: ClassVar[str] = "Zhu and Gupta 2017, arXiv 1710.01878"

    def share_at(self, step: int, last: int) -> float | None:
        return cubic(step / last, self.values["sparsity"]) if step <= last else None


def cubic(done: float, sparsity: float) -> float:
    """The share of zeros once a share `done` (0 to 1) of the schedule is over."""
    return sparsity * (1.0 - (1.0 - done) ** 3)
