"""The axes of size against loss, with ticks that Python words and the browser only places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optlab.figures import format, size_axis
from optlab.figures.frontier import FLOOR, TICKS

MARGIN = 0.04
"""Of the range of sizes, on both sides."""
WORST = 1000.0
"""Percent worse at which the axis ends: beyond it no model is of use, and what is of use would be squeezed."""


@dataclass(frozen=True)
class Tick:
    """at: in the unit of the axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Axis:
    """low, high: its ends. Sizes are bytes on a linear axis, losses are percent worse on a logarithmic one, whose low
    end stands for everything that is better too."""

    low: float
    high: float
    ticks: tuple[Tick, ...]


def size(sizes: Sequence[float]) -> Axis:
    """Around all `sizes`, bytes."""
    low, high = (min(sizes), max(sizes)) if sizes else (0.0, 1.0)
    margin = MARGIN * (high - low or high)
    low, high = low - margin, high + margin
    return Axis(low, high, tuple(Tick(place, size_axis.label(place)) for place in size_axis.ticks(low, high) if sizes))


def loss(ratios: Sequence[float]) -> Axis:
    """From what nobody can tell from the original up to the worst of `ratios` that is still of use."""
    worst = max([100 * (ratio - 1) for ratio in ratios], default=FLOOR)
    high = min([tick for tick in TICKS if tick >= min(worst, WORST)], default=WORST)
    high = max(high, 10.0)
    ticks = [Tick(FLOOR, f"\N{LESS-THAN OR EQUAL TO} {format.significant(FLOOR, 1)}%")]
    ticks += [Tick(tick, f"{tick:,g}%") for tick in TICKS if tick <= high and tick >= 0.2]
    return Axis(FLOOR, high, tuple(ticks))
