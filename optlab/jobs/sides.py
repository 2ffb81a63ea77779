"""What every run that puts two models side by side does: read the same words with both, time them in turns, and say
what is known of each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from optlab.jobs.kind import Log
from optlab.machine.locks import compute_lock
from optlab.messages import say
from optlab.progress import Progress
from optlab.protocol import Protocol
from optlab.results.latency import Latency, TimedPair
from optlab.results.measurement import MeasurementSoFar, QualitySoFar, Side

if TYPE_CHECKING:
    from optlab.compression import Compressed
    from optlab.evaluation.compare import Quality
    from optlab.evaluation.perplexity import Perplexity
    from optlab.models.language_model import LanguageModel
    from optlab.texts.passage import Passage


class Telling:
    """Progress of a comparison that tells it as a part of its measurement. so_far: what is known, kept up to date."""

    def __init__(self, progress: Progress, so_far: MeasurementSoFar) -> None:
        self.progress, self.so_far = progress, so_far

    def __call__(self, fraction: float, message: str, partial: object = None) -> None:
        if isinstance(partial, QualitySoFar):
            self.so_far = self.so_far.model_copy(update={"quality": partial})
        self.progress(fraction, message, self.so_far if partial is not None else None)


def timed_in_turns(
    base: LanguageModel, candidate: Compressed, ids: list[int], protocol: Protocol, progress: Progress
) -> tuple[TimedPair | None, float | None]:
    """Both sides timed in turns, alone on the machine, and how many bytes per second its memory gives.

    None when not asked for or when the model does not decode.
    """
    from optlab.evaluation.energy import meter
    from optlab.evaluation.latency import latency
    from optlab.kernels.limits import read_bandwidth
    from optlab.kernels.runtime import refusal, runtime

    if not protocol.latency or refusal(base) or refusal(candidate.model):
        return None, None

    def waiting() -> None:
        progress(0.0, say("waiting for other runs to finish before timing"))

    waiting()
    with compute_lock(exclusive=True, waiting=waiting):
        sides = {"base": runtime(base, protocol.decodes_in), "candidate": runtime(candidate, protocol.decodes_in)}
        longest = min(base.description.context_length, candidate.model.description.context_length)
        before = read_bandwidth()
        timed = latency(sides, ids, context_length=longest, progress=progress, meter=meter())
        after = read_bandwidth()
        return TimedPair(**timed), max(before, after) if before and after else None


def compared(
    base: LanguageModel, candidate: LanguageModel, passage: Passage, protocol: Protocol, so_far: MeasurementSoFar,
    progress: Progress, log: Log, vocabulary: int | None = None,
) -> tuple[Quality, MeasurementSoFar, float]:  # fmt: skip
    """Both sides read the passage in the precision of the protocol: what differs, `so_far` with it, and the seconds
    that it took.

    so_far: what is known already; every report holds it, and the figures so far. vocabulary: as in
    `optlab.evaluation.compare.compare`, whose errors this raises.
    """
    from optlab.evaluation.compare import compare

    known = Telling(progress, so_far)
    progress(0.0, say("measuring quality"), so_far)
    began = time.perf_counter()
    quality = compare(
        base.to(dtype=protocol.dtype), candidate.to(dtype=protocol.dtype), passage, protocol.context, known,
        protocol.stop_below_percent, vocabulary=vocabulary,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    log(f"evaluated {quality.windows} windows in {seconds:.1f} s")
    return quality, known.so_far.model_copy(update={"quality_done": True}), seconds


def side(quality: Perplexity, size: int, timed: Latency | None, memory: int | None = None) -> Side:
    """One side of a measurement. size: bytes of its weights; memory: peak of its own process."""
    return Side(
        ppl=quality.ppl,
        bits_per_byte=quality.bits_per_byte,
        ppl_second_half=quality.ppl_second_half,
        size_bytes=size,
        decode_ms_per_token=timed.decode_ms if timed else None,
        prefill_tokens_per_s=timed.prefill_tokens_per_s if timed else None,
        peak_rss_bytes=memory,
    )
