"""How long work reports itself and learns that it should stop.

Every long function takes `progress: Progress = silent` and calls it between small pieces of work (a layer, a window, a
training step). The callee may raise `Cancelled`, which long functions let through.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Progress(Protocol):
    def __call__(self, fraction: float, message: str, partial: object = None) -> None:
        """Report that `fraction` (0 to 1) is done; `partial` carries results so far: a
        `optlab.results` type of whoever reports. Raises Cancelled to stop."""


def silent(fraction: float, message: str, partial: object = None) -> None:
    """Report nothing."""


def span(progress: Progress, start: float, end: float) -> Progress:
    """A progress that maps its own 0..1 onto start..end of `progress`, for a piece of a larger job."""

    def inner(fraction: float, message: str, partial: object = None) -> None:
        progress(start + (end - start) * min(max(fraction, 0.0), 1.0), message, partial)

    return inner


class Rising:
    """A progress that never goes back, for work whose parts are entered from several places."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.reached = progress, 0.0

    def __call__(self, fraction: float, message: str, partial: object = None) -> None:
        self.reached = max(self.reached, fraction)
        self.progress(self.reached, message, partial)


CancelCheck = Callable[[], bool]
