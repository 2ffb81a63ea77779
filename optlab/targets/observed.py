"""What share of a memory's bandwidth decoding has reached so far, on machines where it was timed.

A token cannot come sooner than its bytes can be read (the roofline of Williams et al. 2009; one text is far below the
ridge), and takes longer: launches, small operations, unpacking. How much longer is not known of a machine that nobody
timed, so an estimate has a band, from the lowest to the highest share seen. A fixed overhead weighs more where a token
takes less time, so timings count that should have taken about as long.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from optlab.results.environment import Environment
from optlab.results.latency import TimedPair

NEAR = 10.0
"""Factor between two roofline times within which overheads weigh alike."""
ENOUGH = 3
"""Timings that make a band; with fewer near ones, the nearest that there are."""
PACKED = 0.75
"""Bytes of the original's that a token reads, below which the weights are packed."""
H200, EPYC = "NVIDIA H200", "AMD EPYC, 2 cores"


@dataclass(frozen=True)
class Timing:
    """machine: its name. packed: weights of few bits, not dense ones. roofline_ms: bytes of a token over the bandwidth;
    decode_ms: what the token took."""

    machine: str
    packed: bool
    roofline_ms: float
    decode_ms: float

    @property
    def share(self) -> float:
        """Of the bandwidth that was used; above 1 where weights stay in a processor's cache."""
        return self.roofline_ms / self.decode_ms


SHIPPED = (
    Timing(H200, False, 0.058, 0.58),
    Timing(H200, False, 0.512, 0.91),
    Timing(H200, False, 3.12, 4.08),
    Timing(H200, True, 0.024, 0.65),
    Timing(H200, True, 0.216, 0.85),
    Timing(H200, True, 1.03, 3.65),
    Timing(EPYC, False, 281 / 63, 1000 / 158),
    Timing(EPYC, False, 281 / 35, 1000 / 109),
    Timing(EPYC, True, 176 / 63, 1000 / 188),
    Timing(EPYC, True, 176 / 35, 1000 / 155),
    Timing(EPYC, True, 129 / 63, 1000 / 263),
    Timing(EPYC, True, 129 / 35, 1000 / 225),
)
"""Of OptLab's own decoding at batch 1. H200: SmolLM2 and models of the shapes of 1B and 8B, dense and with 4 bits,
against the data sheet's 4.8 TB/s, of which 4.36 were measured (docs/large-models.md). EPYC: SmolLM2 in bfloat16, with 8
and with 4 bits, twice, against what its memory gave just then (docs/benchmarks.md)."""


@dataclass(frozen=True)
class Shares:
    """low, middle, high: of the bandwidth. timings, machines: how many they come from."""

    low: float
    middle: float
    high: float
    timings: int
    machines: int


def timings_of(measured: Iterable[tuple[TimedPair | None, Environment]]) -> list[Timing]:
    """What measurements with a latency say, where the bandwidth of the memory was measured beside it."""
    found = []
    for pair, environment in measured:
        bandwidth = environment.read_bytes_per_s
        if pair is None or not bandwidth:
            continue
        dense = pair.base.bytes_per_token
        for timed in (pair.base, pair.candidate):
            if timed.bytes_read and timed.bytes_per_token and dense:
                packed = timed.bytes_per_token < PACKED * dense
                name = timed.machine.processor or environment.processor
                found.append(Timing(name, packed, 1000 * timed.bytes_read / bandwidth, timed.decode_ms))
    return found


def shares(timings: Iterable[Timing], packed: bool, roofline_ms: float) -> Shares | None:
    """Of a token that cannot take less than `roofline_ms`. timings: of this machine; the shipped ones count too.

    None where it is shorter than every one that was timed: then overheads decide, of which a bandwidth says nothing.
    """
    every = [one for one in (*SHIPPED, *timings) if one.packed == packed and one.share <= 1]
    if roofline_ms < min(one.roofline_ms for one in every):
        return None
    by_distance = sorted(every, key=lambda one: _distance(one, roofline_ms))
    near = [one for one in by_distance if _distance(one, roofline_ms) <= math.log(NEAR)]
    used = near if len(near) >= ENOUGH else by_distance[:ENOUGH]
    reached = [one.share for one in used]
    machines = len({one.machine for one in used})
    return Shares(min(reached), statistics.median(reached), max(reached), len(used), machines)


def _distance(timing: Timing, roofline_ms: float) -> float:
    return abs(math.log(timing.roofline_ms / roofline_ms))
