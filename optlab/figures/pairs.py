"""The original beside the candidate: one quantity, two bars, and the sentence that says what changed.

A `Pair` is read from a measurement, or from what a running one has reported so far; what is missing there stays None
and is shown in words. The interval of the perplexity is the paired one (of the ratio, drawn around the candidate); that
of the latency is the spread from the 5th to the 95th percentile.
"""

from __future__ import annotations

from dataclasses import dataclass

from optlab.figures import format, glossary, speedup
from optlab.i18n import _
from optlab.results.comparison import Comparison
from optlab.results.measurement import Measurement, MeasurementSoFar

Known = Measurement | Comparison | MeasurementSoFar
"""A finished measurement, or what one on its way has told so far."""


@dataclass(frozen=True)
class Pair:
    """One quantity of both models. low, high: interval of the candidate; base_low, base_high: of the original.

    headline: what changed, in words; interval: the uncertainty, in words ('' when there is none). side: "measured" or
    "predicted", which decides the colour. so_far: how much of the text the figure knows, while
    it still moves ('' when it does not). missing: why there is no candidate, in words, where the caller does not know.
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
    so_far: str = ""
    missing: str = ""

    @property
    def complete(self) -> bool:
        """Whether both were measured."""
        return self.base is not None and self.candidate is not None

    def bars(self) -> list[tuple[str, float, float | None, float | None]]:
        """(side, value, low, high) of each side that is known; side is 'base' or `side`."""
        both = (("base", self.base, self.base_low, self.base_high), (self.side, self.candidate, self.low, self.high))
        return [(side, value, low, high) for side, value, low, high in both if value is not None]


def quality(known: Known) -> Pair:
    """Perplexity of both, and the ratio with its paired interval."""
    base, candidate, ratio, interval = _perplexities(known)
    ends = interval or (1.0, 1.0)
    drawn = base is not None and interval is not None
    return Pair(
        _("Perplexity"),
        glossary.perplexity(),
        base, candidate, format.number(base), format.number(candidate),
        _("no measurable change") if _holds_one(interval) else format.worse(ratio),
        _("95% interval {range}").format(range=format.change_range(*ends)) if interval else "",
        low=base * ends[0] if base is not None and drawn else None,
        high=base * ends[1] if base is not None and drawn else None,
        so_far=_windows_so_far(known),
    )  # fmt: skip


def size(known: Known) -> Pair:
    """Bytes of the weights of both, as written to disk."""
    base, candidate = _sizes(known)
    ratio = candidate / base if base and candidate is not None else None
    return Pair(
        _("Size"),
        glossary.size(),
        base, candidate, format.megabytes(base), format.megabytes(candidate),
        format.smaller(ratio),
        _("exact, counted on disk") if ratio is not None else "",
    )  # fmt: skip


def latency(known: Known) -> Pair:
    """Milliseconds per new token of both, timed in turns; the interval is from the 5th to the 95th percentile."""
    timed = known.latency
    base, candidate, speed = _times(known)
    low, high = (timed.candidate.decode_ms_p5, timed.candidate.decode_ms_p95) if timed else (None, None)
    spread = _("middle 90% of tokens: {low} to {high}")
    return Pair(
        _("Latency"),
        glossary.latency(),
        base, candidate, format.milliseconds(base), format.milliseconds(candidate),
        format.not_measured() if candidate is None else speedup.in_words(*speed),
        spread.format(low=format.milliseconds(low), high=format.milliseconds(high)) if low and high else "",
        low=low, high=high,
        base_low=timed.base.decode_ms_p5 if timed else None, base_high=timed.base.decode_ms_p95 if timed else None,
    )  # fmt: skip


def of(known: Known) -> list[Pair]:
    """The three pairs: quality, size, latency."""
    return [quality(known), size(known), latency(known)]


def _perplexities(known: Known) -> tuple[float | None, float | None, float | None, tuple[float, float] | None]:
    """Original, candidate, their ratio and its interval."""
    if isinstance(known, (Measurement, Comparison)):
        return known.baseline.ppl, known.compressed.ppl, known.delta.ppl_ratio, known.delta.ppl_ratio_ci95
    so_far = known.quality
    if so_far is None:
        return None, None, None, None
    return so_far.ppl_base, so_far.ppl_candidate, so_far.ppl_ratio, so_far.ppl_ratio_ci95


def _windows_so_far(known: Known) -> str:
    if not isinstance(known, MeasurementSoFar) or known.quality is None or known.quality_done:
        return ""
    return _("{done} of {all} windows").format(done=known.quality.windows_done, all=known.quality.windows)


def _times(known: Known) -> tuple[float | None, float | None, tuple[float | None, tuple[float, float] | None]]:
    """Milliseconds per token of original and candidate, and the speed-up with its interval."""
    if isinstance(known, (Measurement, Comparison)):
        speed = known.delta.decode_speedup, known.delta.decode_speedup_ci95
        return known.baseline.decode_ms_per_token, known.compressed.decode_ms_per_token, speed
    if known.latency is None:
        return None, None, (None, None)
    speed = known.decode_speedup, known.decode_speedup_ci95
    return known.latency.base.decode_ms, known.latency.candidate.decode_ms, speed


def _sizes(known: Known) -> tuple[int | None, int | None]:
    if isinstance(known, (Measurement, Comparison)):
        return known.baseline.size_bytes, known.compressed.size_bytes
    return known.size_base, known.size_candidate


def _holds_one(interval: tuple[float, float] | None) -> bool:
    return interval is not None and interval[0] <= 1 <= interval[1]
