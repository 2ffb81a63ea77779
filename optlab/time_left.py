"""How much longer: phases whose durations are expected, and an estimate that corrects itself without ever jumping up.

Extrapolating from the share that is done fails where parts of the work differ: minutes of training say nothing of the
seconds of timing after them. So every phase has a duration that is expected of it; the phase under way is extrapolated
the more, the more of it is done, and those that come are scaled by how the past ones compared with what was expected.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

from optlab.progress import Progress

GROWTH = 1.1
"""The time left that a person sees is never more than this multiple of one that they saw before."""
BEYOND_BELIEF = 1.5
"""Nothing is shown while the estimate is larger than what may be shown by more than this."""
TRUST = 0.1
"""Share of a phase after which its own speed counts as much as what was expected."""
SLOWEST, FASTEST = 4.0, 0.25

Clock = Callable[[], float]


@runtime_checkable
class Foretold(Protocol):
    """A progress that wants to know how much longer the work will take."""

    def left(self, seconds: float) -> None:
        """The best estimate now; called before the report that it belongs to."""


class Countdown:
    """What is shown of estimates of the time left."""

    def __init__(self) -> None:
        self.least: float | None = None

    def shown(self, estimate: float) -> float | None:
        """`estimate`, or as much of it as may be shown; None where that would be far from it."""
        estimate = max(estimate, 0.0)
        if self.least is None:
            self.least = estimate
            return estimate
        most = GROWTH * self.least
        if estimate > BEYOND_BELIEF * most:
            return None
        shown = min(estimate, most)
        self.least = min(self.least, shown)
        return shown


def extrapolated(expected: float, elapsed: float, fraction: float) -> float:
    """Seconds left of work of which `fraction` (0 to 1) is done after `elapsed` seconds of `expected`."""
    if fraction <= 0.0:
        return max(expected - elapsed, 0.1 * elapsed)
    trust = fraction / (fraction + TRUST * (1 - fraction))
    total = (1 - trust) * max(expected, elapsed) + trust * elapsed / fraction
    return max(total - elapsed, 0.0)


class Phases:
    """The progress of work in phases, in shares of the time that each should take.

    expected: seconds of each phase, by name, in order. The phases are entered in this order; one that is left out is
    over. `took` has the seconds of those that ended well.
    """

    def __init__(self, progress: Progress, expected: Mapping[str, float], clock: Clock = time.monotonic) -> None:
        self.progress, self.expected, self.clock = progress, dict(expected), clock
        self.took: dict[str, float] = {}
        self._passed: list[str] = []

    @contextmanager
    def phase(self, name: str) -> Iterator[Progress]:
        """The block does the work of phase `name`, and reports 0 to 1 of it to what it is given."""
        names = list(self.expected)
        self._passed = names[: names.index(name)]
        began = self.clock()

        def report(fraction: float, message: str, partial: object = None) -> None:
            fraction = min(max(fraction, 0.0), 1.0)
            elapsed = self.clock() - began
            if isinstance(self.progress, Foretold):
                self.progress.left(self._left(name, elapsed, fraction))
            self.progress(self._share(name, fraction), message, partial)

        yield report
        self.took[name] = self.clock() - began

    def _share(self, name: str, fraction: float) -> float:
        done = sum(self.expected[one] for one in self._passed) + fraction * self.expected[name]
        return done / (sum(self.expected.values()) or 1.0)

    def _left(self, name: str, elapsed: float, fraction: float) -> float:
        here = extrapolated(self.expected[name], elapsed, fraction)
        names = list(self.expected)
        coming = sum(self.expected[one] for one in names[names.index(name) + 1 :])
        return here + self._pace(name, elapsed, fraction) * coming

    def _pace(self, name: str, elapsed: float, fraction: float) -> float:
        """How many times longer than expected the work takes today; what is still to come speaks for 1."""
        done = [one for one in self._passed if one in self.took]
        expected = sum(self.expected[one] for one in done) + fraction * self.expected[name]
        actual = sum(self.took[one] for one in done) + (elapsed if fraction > 0 else 0.0)
        rest = TRUST * sum(self.expected.values())
        return min(max((actual + rest) / (expected + rest or 1.0), FASTEST), SLOWEST)
