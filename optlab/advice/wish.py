"""A wish and its answer: the limits a person has, the candidate that keeps them all, and the reasons in words.

A limit counts as kept only by the unfavourable end of an interval: what may be 6 % worse does not answer "at most 5 %".
Among those that keep every limit, what the person prefers decides; a prediction is told beside it only where it is
notably better than everything measured. What was proved so stays the answer, although a predictor that has learnt from
the proof sees a recipe that is a hair better everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from optlab.advice.candidate import Candidate
from optlab.figures import format, speedup
from optlab.i18n import _

Preference = Literal["small", "fast", "close"]

NOTABLY = 0.98
"""A prediction has to promise at most this share of the bytes, the time or the perplexity of what was measured."""


@dataclass(frozen=True)
class Wish:
    """Limits, None where there is none. memory_bytes: of the device. tokens_per_s: at least. worse_percent: of the
    perplexity, at most."""

    memory_bytes: int | None = None
    tokens_per_s: float | None = None
    worse_percent: float | None = None
    prefer: Preference = "small"


@dataclass(frozen=True)
class Answer:
    """best: what keeps all limits best, by measurement; better: a prediction that would beat it. missed: limit -> how
    many candidates broke it. nearest: with the fewest broken limits, when none keeps all; its limits in `broken`."""

    best: Candidate | None
    better: Candidate | None
    missed: dict[str, int]
    nearest: Candidate | None = None
    broken: tuple[str, ...] = ()


def answer(wish: Wish, candidates: Iterable[Candidate]) -> Answer:
    """The best of `candidates` for `wish`."""
    everyone = list(candidates)
    broken = {index: breaks(wish, one) for index, one in enumerate(everyone)}
    missed = {limit: sum(limit in names for names in broken.values()) for limit in ("memory", "speed", "quality")}
    kept = [one for index, one in enumerate(everyone) if not broken[index]]
    order = ORDERS[wish.prefer]
    proven = min((one for one in kept if one.source == "measured"), key=order, default=None)
    guessed = min((one for one in kept if one.source == "predicted"), key=order, default=None)
    if guessed is not None and proven is not None:
        notably = order(guessed) < order(proven) and order(guessed)[0] <= NOTABLY * order(proven)[0]
        guessed = guessed if notably else None
    if proven is not None or guessed is not None or not everyone:
        return Answer(proven, guessed, missed)
    fewest = min(range(len(everyone)), key=lambda index: (len(broken[index]), order(everyone[index])))
    return Answer(None, None, missed, everyone[fewest], broken[fewest])


def breaks(wish: Wish, one: Candidate) -> tuple[str, ...]:
    """Names of the limits that a candidate does not surely keep: memory, speed, quality."""
    needed = one.memory_bytes if one.memory_bytes is not None else one.size_bytes
    limits = {
        "memory": wish.memory_bytes is not None and needed > wish.memory_bytes,
        "speed": wish.tokens_per_s is not None and (one.tokens_per_s or 0.0) < wish.tokens_per_s,
        "quality": wish.worse_percent is not None and _percent(one) > wish.worse_percent,
    }
    return tuple(name for name, is_broken in limits.items() if is_broken)


def reasons(wish: Wish, one: Candidate, original: Candidate | None) -> list[str]:
    """Why this candidate, one sentence for each figure, each with what was asked for."""
    said = [_size(one, original), _memory(wish, one), _quality(wish, one), _speed(wish, one)]
    return [sentence for sentence in said if sentence]


def _percent(one: Candidate) -> float:
    return math.inf if one.worst_ratio is None else (one.worst_ratio - 1) * 100


def _size(one: Candidate, original: Candidate | None) -> str:
    size = format.megabytes(one.size_bytes)
    if original is None or one.is_original:
        return _("{size} on disk").format(size=size)
    smaller = format.smaller(one.size_bytes / original.size_bytes)
    return _("{size} on disk, {smaller} than the original").format(size=size, smaller=smaller)


def _memory(wish: Wish, one: Candidate) -> str:
    if one.memory_bytes is not None:
        return _("{size} of memory while generating, program included").format(size=format.megabytes(one.memory_bytes))
    if wish.memory_bytes is None:
        return ""
    return _("its weights alone fit in your memory; the total is known after a measurement")


def _quality(wish: Wish, one: Candidate) -> str:
    if one.is_original:
        return _("the original itself, no loss")
    if one.ratio is None:
        return ""
    said = format.worse(one.ratio)
    if one.low is not None and one.high is not None:
        kind = _("95% interval") if one.source == "measured" else _("90% band")
        said += _(" ({kind} {range})").format(kind=kind, range=format.change_range(one.low, one.high))
    if wish.worse_percent is not None:
        said += _(", your limit is {limit}%").format(limit=f"{wish.worse_percent:g}")
    return said


def _speed(wish: Wish, one: Candidate) -> str:
    if one.tokens_per_s is None:
        return _("its speed was not measured on this machine")
    said = _("{speed} tokens per second here").format(speed=format.significant(one.tokens_per_s))
    if one.speedup is not None:
        in_words = speedup.in_words if one.source == "measured" else speedup.expected
        said += _(", {speedup}").format(speedup=in_words(one.speedup, one.speedup_interval))
    if wish.tokens_per_s is not None:
        said += _(", your target is {limit}").format(limit=f"{wish.tokens_per_s:g}")
    return said


def _or_worst(value: float | None) -> float:
    return math.inf if value is None else value


ORDERS: dict[Preference, Callable[[Candidate], tuple[float, float]]] = {
    "small": lambda one: (one.size_bytes, _or_worst(one.ratio)),
    "fast": lambda one: (_or_worst(one.decode_ms), one.size_bytes),
    "close": lambda one: (_or_worst(one.ratio), one.size_bytes),
}
