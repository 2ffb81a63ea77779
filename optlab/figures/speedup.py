"""How many times faster a compressed model decodes, in the words in which every page and report says it.

The figure is `Delta.decode_speedup`: the paired ratio of rounds that were timed in turns, worked out once, when they
were timed. Whoever shows a speed-up takes it from there and says it through here, so that one run never has two.
"""

from __future__ import annotations

from optlab.figures import format
from optlab.i18n import _


def in_words(speedup: float | None, interval: tuple[float, float] | None) -> str:
    """'1.8 x faster'; where the 95 % interval holds 1, that no speed-up was measured, which may still be one; '' where
    nothing was timed in turns."""
    if speedup is None:
        return ""
    return _("no measurable speed-up") if not beyond_chance(interval) else format.faster(speedup)


def expected(speedup: float | None, band: tuple[float | None, float | None] | None) -> str:
    """What is predicted: '1.8 x faster'; where the 90 % band holds 1, nobody can tell."""
    low, high = band or (None, None)
    if low and high and not beyond_chance((low, high)):
        return _("about the same speed")
    return format.faster(speedup)


def beyond_chance(interval: tuple[float, float] | None) -> bool:
    """Whether the interval leaves out 1; True without an interval, which one round cannot give."""
    return interval is None or not interval[0] <= 1.0 <= interval[1]
