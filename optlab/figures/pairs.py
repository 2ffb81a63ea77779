"""The original beside the candidate: one quantity, two bars, and the sentence that says what changed.

A `Pair` is read from a result, or from the part of it that a running measurement has reported so far; what is missing
there stays None and is shown in words. The interval of the perplexity is the paired one (of the ratio, drawn around the
candidate); that of the latency is the spread from the 5th to the 95th percentile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optlab.figures import format, speedup
from optlab.i18n import _


@dataclass(frozen=True)
class Pair:
    """One quantity of both models. low, high: interval of the candidate; base_low, base_high: of the original.

    headline: what changed, in words; interval: the uncertainty, in words ('' when there is none). side: "measured" or
    "predicted", which decides the colour.
    """

    name: str
    help: str
    base: float | None
    candidate: float | None
    base_text: str
    candidate_text: str
    headline: str
    interval: str = ""
    low: float | None = None
    high: float | None = None
    base_low: float | None = None
    base_high: float | None = None
    side: str = "measured"

    @property
    def complete(self) -> bool:
        """Whether both were measured."""
        return self.base is not None and self.candidate is not None

    def bars(self) -> list[tuple[str, float, float | None, float | None]]:
        """(side, value, low, high) of each side that is known; side is 'base' or `side`."""
        both = (("base", self.base, self.base_low, self.base_high), (self.side, self.candidate, self.low, self.high))
        return [(side, value, low, high) for side, value, low, high in both if value is not None]


def quality(result: Mapping[str, Any]) -> Pair:
    """Perplexity of both, and the ratio with its paired interval."""
    base, candidate = _figure(result, "baseline", "ppl"), _figure(result, "compressed", "ppl")
    delta = result.get("delta") or {}
    ratio, interval = delta.get("ppl_ratio"), delta.get("ppl_ratio_ci95")
    ends = interval or (1.0, 1.0)
    noise = bool(interval) and ends[0] <= 1 <= ends[1]
    drawn = base is not None and bool(interval)
    return Pair(
        _("Perplexity"),
        _("How surprised the model is by a text it has not seen; lower is better, 1 would be perfect foresight."),
        base, candidate, format.number(base), format.number(candidate),
        _("no measurable change") if noise else format.worse(ratio),
        _("95 % interval {range}").format(range=format.change_range(*ends)) if interval else "",
        low=base * ends[0] if drawn else None,
        high=base * ends[1] if drawn else None,
    )  # fmt: skip


def size(result: Mapping[str, Any]) -> Pair:
    """Bytes of the weights of both, as written to disk."""
    base, candidate = _figure(result, "baseline", "size_bytes"), _figure(result, "compressed", "size_bytes")
    ratio = candidate / base if base and candidate is not None else None
    return Pair(
        _("Size"),
        _("Bytes of the weights as they lie on the disk, scales and indices included."),
        base, candidate, format.megabytes(base), format.megabytes(candidate),
        format.smaller(ratio),
        _("exact, counted on disk") if ratio is not None else "",
    )  # fmt: skip


def latency(result: Mapping[str, Any]) -> Pair:
    """Milliseconds per new token of both, timed in turns; the interval is from the 5th to the 95th percentile."""
    both = result.get("latency") or {}
    old, new = both.get("base") or {}, both.get("candidate") or {}
    per_token = "decode_ms_per_token"
    base = old.get("decode_ms", _figure(result, "baseline", per_token))
    candidate = new.get("decode_ms", _figure(result, "compressed", per_token))
    low, high = new.get("decode_ms_p5"), new.get("decode_ms_p95")
    delta = result.get("delta") or {}
    spread = _("5 to 95 % of tokens: {low} to {high}")
    return Pair(
        _("Latency"),
        _("Time for each new token, one text at a time, on this machine; both models are timed in turns."),
        base, candidate, format.milliseconds(base), format.milliseconds(candidate),
        format.not_measured() if candidate is None else
        speedup.in_words(delta.get("decode_speedup"), delta.get("decode_speedup_ci95")),
        spread.format(low=format.milliseconds(low), high=format.milliseconds(high)) if low and high else "",
        low=low, high=high, base_low=old.get("decode_ms_p5"), base_high=old.get("decode_ms_p95"),
    )  # fmt: skip


def so_far(partial: Mapping[str, Any]) -> dict[str, Any]:
    """What a measurement on its way reports (`optlab.jobs.measure`), in the form of a result."""
    known = partial.get("quality") or {}
    return {
        "baseline": {"ppl": known.get("ppl_base"), "size_bytes": partial.get("size_base")},
        "compressed": {"ppl": known.get("ppl_candidate"), "size_bytes": partial.get("size_candidate")},
        "delta": {name: known.get(name) for name in ("ppl_ratio", "ppl_ratio_ci95")},
    }


def of(result: Mapping[str, Any]) -> list[Pair]:
    """The three pairs of a result (or of what is known of it): quality, size, latency."""
    return [quality(result), size(result), latency(result)]


def in_one_line(result: Mapping[str, Any]) -> str:
    """What was saved and what it cost: '3.6 x smaller, 3.1 x faster, 2.0 % worse'; only what was measured."""
    told = {
        "size": size(result),
        "latency": latency(result),
        "quality": quality(result),
    }
    words = {name: pair.headline for name, pair in told.items() if pair.complete and pair.headline}
    if "quality" in words and _unchanged(result):
        words["quality"] = _("no measurable loss")
    return ", ".join(words.values())


def _unchanged(result: Mapping[str, Any]) -> bool:
    low, high = (result.get("delta") or {}).get("ppl_ratio_ci95") or (2.0, 0.0)
    return bool(low <= 1 <= high)


def _figure(result: Mapping[str, Any], side: str, name: str) -> Any:
    return (result.get(side) or {}).get(name)
