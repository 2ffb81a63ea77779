"""How near a measured latency is to what the machine's memory allows, in a sentence.

To decode a token every weight is read once, so bytes per token over the bandwidth of the memory is a time below which
no program gets; unless the weights stay in the processor's cache from one token to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optlab.figures import format
from optlab.words import _


def shares(result: Mapping[str, Any]) -> dict[str, float]:
    """'base' and 'candidate' -> the bandwidth that decoding used over what the memory delivers."""
    bandwidth = (result.get("environment") or {}).get("read_bytes_per_s")
    found = {}
    for side, timed in (result.get("latency") or {}).items():
        if bandwidth and timed and timed.get("bytes_per_token"):
            found[side] = timed["bytes_per_token"] / (timed["decode_ms"] / 1000) / bandwidth
    return found


def sentence(result: Mapping[str, Any]) -> str:
    """Of the compressed model; '' when it is not known."""
    share = shares(result).get("candidate")
    if share is None:
        return ""
    timed, bandwidth = result["latency"]["candidate"], result["environment"]["read_bytes_per_s"]
    size = format.megabytes(timed["bytes_per_token"])
    if share > 1:
        return _(
            "Each token reads {size} of weights, faster than this machine's memory delivers: they stay in the "
            "processor's cache, where fewer bits save little time."
        ).format(size=size)
    least = format.milliseconds(1000 * timed["bytes_per_token"] / bandwidth)
    return _(
        "Each token reads {size} of weights. Memory here delivers {speed} GB/s, so no program decodes in less than "
        "{least}; this one uses {share} of that speed."
    ).format(size=size, speed=format.significant(bandwidth / 1e9), least=least, share=format.percent(share))
