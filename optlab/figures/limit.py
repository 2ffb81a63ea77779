"""How near a measured latency is to what the machine's memory allows, in a sentence.

To decode a token every weight is read once, and the keys and values of all tokens before it; so these bytes over the
bandwidth of the memory are a time below which no program gets, unless some of them stay in the processor's cache from
one token to the next.
"""

from __future__ import annotations

from optlab.figures import format
from optlab.i18n import _
from optlab.results.latency import Latency
from optlab.results.latency_grid import GridSide
from optlab.results.measurement import Measurement


def step_bytes(runtime: Latency | GridSide, positions: float, texts: int = 1) -> float | None:
    """Read for one new token of each of `texts` after so many positions: the weights once, keys and values for each."""
    weights, position = runtime.bytes_per_token, runtime.bytes_per_position or 0
    return float(weights + texts * positions * position) if weights else None


def share(timed: Latency, bandwidth: float | None) -> float | None:
    """The bandwidth that decoding used over what the memory delivers; None where either is not known."""
    read = timed.bytes_read
    return read / (timed.decode_ms / 1000) / bandwidth if bandwidth and read else None


def sentence(result: Measurement) -> str:
    """Of the compressed model; '' when it is not known.

    A limit that some tokens kept below is none, however long the others took while something else was computed.
    """
    timed, bandwidth = result.latency.candidate if result.latency else None, result.environment.read_bytes_per_s
    read = timed.bytes_read if timed else None
    used = share(timed, bandwidth) if timed else None
    if timed is None or read is None or bandwidth is None or used is None:
        return ""
    size = format.megabytes(read)
    if used > 1 or timed.decode_ms_p5 < 1000 * read / bandwidth:
        return _(
            "Each token reads {size} of weights, keys and values, faster than this machine's memory delivers: part of "
            "them stays in the processor's cache, where fewer bits save little time."
        ).format(size=size)
    least = format.milliseconds(1000 * read / bandwidth)
    return _(
        "Each token reads {size} of weights, keys and values. Memory here delivers {speed} GB/s, so no program decodes "
        "in less than {least}; this one uses {share} of that speed."
    ).format(size=size, speed=format.significant(bandwidth / 1e9), least=least, share=format.percent(used))
