"""How long one new token takes, from the bytes that a machine reads for it.

At batch 1 a decoder is bound by memory: every weight is read once for each token, and the time is a constant (the small
operations, the attention, the head) plus bytes over a bandwidth that depends on the kernel. So

    ms = constant + sum over kernels of (bytes of the layers it multiplies) / bandwidth

with the constant and one slope per kernel fitted, by least squares without negative slopes, to recipes that were timed
on this machine. The band is the spread of what the fit missed together with that of the timings themselves.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.optimize import nnls

from optlab.methods import Value
from optlab.predict.state import Floats, State
from optlab.predict.treatment import Treatment

KERNELS = ("dense", "int8", "int4")
INT4_BITS, INT4_GROUP = 4, 32
"""Codes of up to so many bits, in groups of a multiple of so many, are read by the 4-bit kernel."""
LEAST_SPREAD = 0.05
"""Relative spread that a band never falls below: a machine is not the same from one minute to the next."""


class Speed:
    """Fitted to `state.timings`: {"bytes": {kernel: bytes}, "decode_ms", "low", "high"}, the
    latter two the fastest and the slowest round."""

    def __init__(self, state: State) -> None:
        self.coefficients: Floats | None = None
        timings = state.timings
        if len(timings) < 2:
            return
        X = np.array([[1.0] + [one["bytes"].get(kernel, 0.0) / 1e6 for kernel in KERNELS] for one in timings])
        y = np.array([one["decode_ms"] for one in timings])
        self.coefficients, _ = nnls(X / y[:, None], np.ones(len(y)))
        missed = np.abs(X @ self.coefficients / y - 1)
        spread = max((one["high"] - one["low"]) / 2 / one["decode_ms"] for one in timings)
        self.spread = float(max(missed.max(), spread, LEAST_SPREAD))

    def __call__(self, state: State, done: Treatment) -> tuple[float, float, float] | None:
        """Milliseconds per token, low and high edge; None when nothing was timed."""
        if self.coefficients is None:
            return None
        read = kernel_bytes(state, done)
        ms = float(self.coefficients @ np.array([1.0] + [read[kernel] / 1e6 for kernel in KERNELS]))
        return ms, ms / (1 + self.spread), ms * (1 + self.spread)


def kernel_bytes(state: State, done: Treatment) -> dict[str, float]:
    """Bytes of linear layers that each kernel reads for a token."""
    read = dict.fromkeys(KERNELS, 0.0)
    for row in range(len(state.names)):
        kernel, size = layer_read(state.shapes[row], done.values[row])
        read[kernel] += size
    return read


def layer_read(shape: tuple[int, int], values: Mapping[str, Value] | None) -> tuple[str, float]:
    """(kernel, bytes) of a layer, by the rules of `optlab.kernels.linear.kernel_for`: what has no kernel is read as
    16-bit numbers, and so are zeros."""
    rows, columns = shape
    if values is not None:
        bits, size = int(values["bits"] or 0), int(values["group_size"] or columns)
        if bits <= INT4_BITS and size % INT4_GROUP == 0:
            return "int4", rows * columns * 0.5 + 4.0 * rows * (columns // size)
        if values.get("symmetric") and size == columns:
            return "int8", rows * columns + 4.0 * rows
    return "dense", 2.0 * rows * columns
