"""How long one new token takes, from the bytes that a machine reads for it.

At batch 1 a decoder is bound by memory: every weight is read once for each token, and the time is a constant (the small
operations, the attention, the head) plus bytes over a bandwidth that depends on the kernel. So

    ms = constant + sum over kernels of (bytes of the layers it multiplies) / bandwidth

with the constant and one slope per kernel fitted, by least squares without negative slopes, to recipes that were timed
on this machine. The band is the spread of what the fit missed together with that of the timings themselves.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from optlab.kernels.rule import KERNELS, Kernel, Loop, bytes_read, kernel_of, loop_of
from optlab.prediction.state import Floats, State
from optlab.prediction.treatment import Treatment

LEAST_SPREAD = 0.05
"""Relative spread that a band never falls below: a machine is not the same from one minute to the next."""


class Speed:
    """Fitted to `state.timings`: {"bytes": {kernel: bytes}, "decode_ms", "low", "high", "path"}, low and high the
    fastest and the slowest round."""

    def __init__(self, state: State) -> None:
        self.coefficients: Floats | None = None
        timings = state.timings
        if len(timings) < 2:
            return
        self.loop = loop_of(timings[0]["path"])
        self.known = {kernel for timing in timings for kernel, size in timing["bytes"].items() if size}
        X = np.array([[1.0] + [timing["bytes"].get(kernel, 0.0) / 1e6 for kernel in KERNELS] for timing in timings])
        y = np.array([timing["decode_ms"] for timing in timings])
        self.coefficients, _ = nnls(X / y[:, None], np.ones(len(y)))
        missed = np.abs(X @ self.coefficients / y - 1)
        spread = max((timing["high"] - timing["low"]) / 2 / timing["decode_ms"] for timing in timings)
        self.spread = float(max(missed.max(), spread, LEAST_SPREAD))

    def __call__(self, state: State, done: Treatment) -> tuple[float, float, float] | None:
        """Milliseconds per token, low and high edge; None when nothing was timed that runs on the same kernels."""
        if self.coefficients is None:
            return None
        read = kernel_bytes(state, done, self.loop)
        if any(size for kernel, size in read.items() if kernel not in self.known):
            return None
        ms = float(self.coefficients @ np.array([1.0] + [read[kernel] / 1e6 for kernel in KERNELS]))
        return ms, ms / (1 + self.spread), ms * (1 + self.spread)


def kernel_bytes(state: State, done: Treatment, loop: Loop) -> dict[Kernel, float]:
    """Bytes of linear layers that each kernel reads for a token. loop: that of the runtime that is predicted."""
    read: dict[Kernel, float] = dict.fromkeys(KERNELS, 0.0)
    for (rows, _), layer in zip(state.shapes, done.formats, strict=True):
        kernel = kernel_of(layer, loop)
        read[kernel] += bytes_read(kernel, loop, layer, rows)
    return read
