"""How long one new token takes, as a share of what the original takes on the same machine under the same conditions.

At batch 1 a decoder is bound by memory: every weight is read once for each token, and the time is a constant (the small
operations, the attention, the head) plus bytes over a bandwidth that depends on the kernel. So

    ms = constant + sum over kernels of (bytes of the layers it multiplies) / bandwidth

A machine is faster in one minute than in the next, and slower for all recipes at once. What holds is the ratio to the
original, timed in turns with it: every session (the speed anchors, and each measurement with a latency) is divided by
its own original, and the constant and one slope per kernel are fitted to these ratios, by least squares without
negative slopes. Milliseconds are the ratio times the original as it was timed last. The band is the spread of what the
fit missed together with that of the timings themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from optlab.kernels.rule import KERNELS, Kernel, Loop, bytes_read, kernel_of, loop_of
from optlab.prediction.state import Floats, State
from optlab.prediction.treatment import Outside, Treatment, treatment
from optlab.recipes import Recipe
from optlab.results.probe import SpeedAnchors

LEAST_SPREAD = 0.05
"""Relative spread that a band never falls below: a machine is not the same from one minute to the next."""
COVERED = 0.9
"""Share of misses that the band holds, once there are more than a few."""


@dataclass(frozen=True)
class TimedRatio:
    """What one measurement teaches. ratio: ms of the recipe over ms of the original, timed in turns; original_ms: of
    that original. low, high: the 95 % interval of the ratio, or the ratio itself."""

    recipe: Recipe
    ratio: float
    low: float
    high: float
    original_ms: float
    finished: float
    path: str


@dataclass(frozen=True)
class Speed:
    """What is expected of a recipe. ratio: ms over the original's ms; band of it; original_ms: as timed last."""

    ratio: float
    low: float
    high: float
    original_ms: float

    @property
    def ms(self) -> float:
        """Milliseconds per token, as fast as the machine was when the original was timed last."""
        return self.ratio * self.original_ms

    @property
    def ms_band90(self) -> tuple[float, float]:
        return self.low * self.original_ms, self.high * self.original_ms

    @property
    def speedup(self) -> float:
        """How many times faster than the original."""
        return 1 / self.ratio

    @property
    def speedup_band90(self) -> tuple[float, float]:
        return 1 / self.high, 1 / self.low


class SpeedModel:
    """Fitted to `anchors` (None: this machine timed none, so nothing is said) and what measurements timed since."""

    def __init__(self, state: State, anchors: SpeedAnchors | None, measured: Iterable[TimedRatio] = ()) -> None:
        self.state = state
        self.coefficients: Floats | None = None
        if anchors is None:
            return
        from scipy.optimize import nnls  # imported late: 0.2 s that a page need not pay before anything was timed

        self.loop: Loop = loop_of(anchors.path)
        first = anchors.timed[0]
        sessions = [
            TimedRatio(one.recipe, one.decode_ms / first.decode_ms, one.low / first.decode_ms,
                       one.high / first.decode_ms, first.decode_ms, anchors.made, anchors.path)
            for one in anchors.timed
            if isinstance(one.recipe, Recipe)
        ]  # fmt: skip
        sessions += [one for one in measured if loop_of(one.path) == self.loop]
        rows = [(one, read) for one in sessions if (read := self._read(one.recipe)) is not None]
        if len(rows) < 2:
            return
        self.timed_kernels = {kernel for _, read in rows for kernel, size in read.items() if size}
        X = np.array([_row(read) for _, read in rows])
        y = np.array([one.ratio for one, _ in rows])
        self.coefficients, _ = nnls(X / y[:, None], np.ones(len(y)))
        missed = np.sort(np.abs(X @ self.coefficients / y - 1))
        miss = missed[min(int(np.ceil(COVERED * (len(missed) + 1))), len(missed)) - 1]
        spread = float(np.median([(one.high - one.low) / 2 / one.ratio for one, _ in rows]))
        self.spread = float(max(miss, spread, LEAST_SPREAD))
        self.original_ms = max(sessions, key=lambda one: one.finished).original_ms

    def _read(self, recipe: Recipe) -> dict[Kernel, float] | None:
        try:
            return kernel_bytes(self.state, treatment(self.state, recipe), self.loop)
        except Outside:
            return None

    def __call__(self, done: Treatment) -> Speed | None:
        """None when nothing was timed here that runs on the same kernels."""
        if self.coefficients is None:
            return None
        read = kernel_bytes(self.state, done, self.loop)
        if any(size for kernel, size in read.items() if kernel not in self.timed_kernels):
            return None
        whole = self._read(Recipe())
        assert whole is not None  # the original is never outside
        ratio = float(self.coefficients @ _row(read)) / float(self.coefficients @ _row(whole))
        return Speed(ratio, ratio / (1 + self.spread), ratio * (1 + self.spread), self.original_ms)


def _row(read: dict[Kernel, float]) -> Floats:
    return np.array([1.0] + [read[kernel] / 1e6 for kernel in KERNELS])


def kernel_bytes(state: State, done: Treatment, loop: Loop) -> dict[Kernel, float]:
    """Bytes of linear layers that each kernel reads for a token. loop: that of the runtime that is predicted."""
    read: dict[Kernel, float] = dict.fromkeys(KERNELS, 0.0)
    for (rows, _), layer in zip(state.shapes, done.formats, strict=True):
        kernel = kernel_of(layer, loop)
        read[kernel] += bytes_read(kernel, loop, layer, rows)
    return read
