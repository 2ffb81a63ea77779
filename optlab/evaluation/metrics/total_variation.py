"""How much probability moved: half the sum of |p - q|, 0 for the same distribution, 1 for none in common.

One minus it is the chance that a token which the compressed model drafts is accepted by the original in speculative
sampling (Leviathan et al. 2022, arXiv 2211.17192, corollary 3.6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from optlab.evaluation.metrics import Metric

if TYPE_CHECKING:
    from torch import Tensor


class TotalVariation(Metric):
    name: ClassVar[str] = "total_variation"
    title: ClassVar[str] = "Total variation"
    summary: ClassVar[str] = (
        "The share of probability that moved to other tokens; one minus it is how often the original would accept a "
        "token that the compressed model drafts."
    )
    source: ClassVar[str] = "Leviathan et al. 2022, arXiv 2211.17192"

    @staticmethod
    def of(log_p: Tensor, log_q: Tensor, targets: Tensor) -> Tensor:
        return 0.5 * (log_p.exp() - log_q.exp()).abs().sum(1)
