"""The axis of sizes: round numbers of bytes, each with the unit that its reader knows: '500 kB', '4 MB', '1.5 GB'."""

from __future__ import annotations

import math
from collections.abc import Sequence

MOST_TICKS = 6
UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def ticks(low: float, high: float) -> list[float]:
    """Round numbers of bytes from `low` to `high`, at most `MOST_TICKS` and one."""
    step = _round_step((high - low or high or 1.0) / MOST_TICKS)
    return [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def label(count: float) -> str:
    """A round number of bytes without digits that say nothing: '4 MB', never '4.00 MB'."""
    for size, unit in UNITS:
        if count >= size:
            return f"{count / size:g} {unit}"
    return f"{count:g} B" if count else "0"


def layout(sizes: Sequence[float], low: float | None = None) -> dict[str, list[float] | list[str]]:
    """Ticks for an axis of Plotly that shows all `sizes`, from `low` if that is given, and one beyond them."""
    known = [one for one in sizes if math.isfinite(one)] or [1.0]
    least = min(known) if low is None else low
    places = ticks(least, max(known))
    if len(places) > 1:
        places.append(2 * places[-1] - places[-2])
    return {"tickvals": places, "ticktext": [label(one) for one in places]}


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 5, 10, 20, ... that is at least `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)
