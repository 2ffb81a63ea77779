"""Which original a compressed model is beside: said here, for every page, table and file.

A measurement reads and times its own original in the same pass and is compared with that one alone (its `baseline`);
originals of two runs are never mixed. Where a model is shown before or without one particular run, its original is the
one of the newest measurement that speaks for the question.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from optlab.evaluation.environment import of_this_machine
from optlab.jobs.measured import MeasuredRun
from optlab.protocol import Protocol

SAME_WORDS = ("text", "tokens", "context", "bos")
"""What two protocols must share for the original to have one perplexity under both."""


@dataclass(frozen=True)
class Original:
    """A model as it is, from the newest measurement of it on a text. Bytes, ms per token; None where a figure is not of
    this machine. run: the number of the measurement that has it."""

    model: str
    text: str
    bits_per_byte: float
    ppl: float
    size_bytes: int
    decode_ms: float | None
    memory_bytes: int | None
    run: int

    def size_over(self, other: Original) -> float:
        """Bytes over those of another model."""
        return self.size_bytes / other.size_bytes


def original_of(run: MeasuredRun) -> Original:
    """The original that this run measured."""
    base, here = run.headline.baseline, of_this_machine(run.headline.environment)
    return Original(
        run.spec.model, run.headline.text, base.bits_per_byte, base.ppl, base.size_bytes,
        base.decode_ms_per_token if here else None, base.peak_rss_bytes if here else None, run.id,
    )  # fmt: skip


def originals(runs: Iterable[MeasuredRun]) -> list[Original]:
    """One for each model and text among `runs`, which are newest first.

    Bits per byte compare between models on one text, whatever their vocabularies; perplexities do not.
    """
    found: dict[tuple[str, str], Original] = {}
    for run in runs:
        found.setdefault((run.spec.model, run.headline.text), original_of(run))
    return list(found.values())


def on_the_words_of(runs: Iterable[MeasuredRun], protocol: Protocol) -> Original | None:
    """The original of the first of `runs`, all of one model, that read every word of `protocol`; None without one."""
    wanted = [getattr(protocol, name) for name in SAME_WORDS]
    for run in runs:
        read = [getattr(run.spec.protocol, name) for name in SAME_WORDS]
        if read == wanted and not run.headline.stopped_early and math.isfinite(run.headline.baseline.ppl):
            return original_of(run)
    return None
