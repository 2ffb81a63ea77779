"""How long a person waits for one model, as timed beside another."""

from __future__ import annotations

from optlab.results.document import Part
from optlab.results.environment import Environment
from optlab.results.fields import Count, Number, Sentence


class Latency(Part):
    """Timings of one model, batch 1. Medians over all rounds, each with its 5th and 95th percentile.

    prompt_tokens may be fewer than were asked for, where the model's context is shorter. samples: decoded tokens that
    were timed. decode_ms_by_round: median of each round, in the order of timing. path: which code ran; notes: what had
    no kernel. bytes_per_token, weights_per_token: of weights that a token reads, and how many it multiplies;
    bytes_per_position: of keys and values that it reads for each token before it; None where the runtime does not say.
    decode_joules: of the whole processor per token, None where it does not count. machine: just before the timing, so
    that its load is that of the others.
    """

    decode_ms: Number
    decode_ms_p5: Number
    decode_ms_p95: Number
    prefill_tokens_per_s: Number
    prefill_tokens_per_s_p5: Number | None = None
    prefill_tokens_per_s_p95: Number | None = None
    time_to_first_token_ms: Number | None = None
    prompt_tokens: Count | None = None
    new_tokens: Count | None = None
    rounds: Count | None = None
    samples: Count | None = None
    decode_ms_by_round: tuple[Number, ...] = ()
    path: Sentence
    notes: tuple[Sentence, ...] = ()
    bytes_per_token: Count | None = None
    weights_per_token: Count | None = None
    bytes_per_position: Count | None = None
    decode_joules: Number | None = None
    machine: Environment = Environment()

    @property
    def bytes_read(self) -> float | None:
        """By one token, on average over those that were timed; None where the runtime does not say."""
        positions = (self.prompt_tokens or 0) + (self.new_tokens or 0) / 2
        weights = self.bytes_per_token
        return weights + positions * (self.bytes_per_position or 0) if weights else None


class TimedPair(Part):
    """Both sides, timed in turns (A B A B)."""

    base: Latency
    candidate: Latency
