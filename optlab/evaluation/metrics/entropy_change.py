"""How much less sure of itself a model became: entropy of its prediction less that of the original's, in nats.

A compressed model that is wrong and unsure can be asked to abstain; one that is wrong and sure cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from optlab.evaluation.metrics import Metric

if TYPE_CHECKING:
    from torch import Tensor


class EntropyChange(Metric):
    name: ClassVar[str] = "entropy_change"
    title: ClassVar[str] = "Entropy change"
    summary: ClassVar[str] = "How much less sure the compressed model is of its next token; below zero it is surer."
    unit: ClassVar[str] = "nats"
    source: ClassVar[str] = "Shannon 1948"

    @staticmethod
    def of(log_p: Tensor, log_q: Tensor, targets: Tensor) -> Tensor:
        return entropy(log_q) - entropy(log_p)


def entropy(log_p: Tensor) -> Tensor:
    """-sum p log p of each row, nats; what has no probability adds nothing."""
    terms = log_p.exp() * log_p
    return -terms.nan_to_num(0.0).sum(1)
