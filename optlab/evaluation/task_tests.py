"""When several tasks are looked at: which differences are still more than luck. Plain Python, so that pages may ask."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p: Sequence[float]) -> list[float]:
    """p-values as if each were the only one looked at: Holm 1979's step-down, which keeps the chance of even one false
    alarm among all of them below the level it is compared with."""
    found, largest = [0.0] * len(p), 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=lambda one: p[one])):
        largest = max(largest, min((len(p) - rank) * p[place], 1.0))
        found[place] = largest
    return found
