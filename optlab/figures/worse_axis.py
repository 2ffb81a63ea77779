"""An axis for "percent worse" that one bad point cannot flatten: linear within a percent of the original, logarithmic
beyond, and the same on the side that is better.

The place of a ratio r is asinh((r - 1) / 0.01), which passes through 0 at the original; a logarithm of the ratio itself
would draw 0.5% and 2% on one spot as soon as something is ten times worse.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from optlab.figures import format

LINEAR = 0.01
TICKS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0, 1e3, 1e4, 1e6)
"""Distances from the original at which a line may be drawn, on both sides."""


def place(ratio: float) -> float:
    """Where a perplexity over the original's is drawn."""
    return math.asinh((ratio - 1) / LINEAR)


def ticks(ratios: Sequence[float]) -> tuple[list[float], list[str]]:
    """(places, labels) that cover `ratios` and the original: '0%', '+1%', '+10%', 'x 11'."""
    low, high = min([1.0, *ratios]), max([1.0, *ratios])
    shown = [1.0]
    shown += [1 + one for one in TICKS if 1 + one <= high] + [1 - one for one in TICKS if 1 - one >= low and one < 1]
    beyond = next((1 + one for one in TICKS if 1 + one > high), None)
    if beyond is not None and high > 1:
        shown.append(beyond)
    # the same below the original, so that nothing lies beyond the last line
    below = next((1 - one for one in TICKS if one < 1 and 1 - one < low), None)
    if below is not None and low < 1:
        shown.append(below)
    shown.sort()
    return [place(one) for one in shown], ["0%" if one == 1 else format.change(one) for one in shown]
