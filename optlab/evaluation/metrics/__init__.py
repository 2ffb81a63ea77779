"""What is measured of every prediction besides loss and divergence: one file and one registry line for each.

A metric sees both distributions of every predicted token while they are at hand, and says one number for it. Its mean
gets an interval over windows, like every figure of a measurement, and it is in every result from then on.
"""

from __future__ import annotations

from functools import cache
from pkgutil import resolve_name
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor


class Metric:
    """name: as results keep it. title: for people. unit: of its numbers, "" for a share. source: who defined it."""

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    unit: ClassVar[str] = ""
    source: ClassVar[str]

    @staticmethod
    def of(log_p: Tensor, log_q: Tensor, targets: Tensor) -> Tensor:
        """One number for each prediction, [N] float32.

        log_p, log_q: log-probabilities [N, V] (nats, float32) of the original and of the compressed model. targets: the
        true tokens [N].
        """
        raise NotImplementedError


REGISTRY = {
    "total_variation": "optlab.evaluation.metrics.total_variation:TotalVariation",
    "entropy_change": "optlab.evaluation.metrics.entropy_change:EntropyChange",
}


@cache
def metric(name: str) -> type[Metric]:
    """The class of a metric."""
    found = resolve_name(REGISTRY[name])
    assert issubclass(found, Metric) and found.name == name, f"registry line of {name} is wrong"
    return found


def metrics() -> list[type[Metric]]:
    """All metrics, in the order in which they are shown."""
    return [metric(name) for name in REGISTRY]
