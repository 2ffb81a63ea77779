"""What the teacher says at each stop of the knob of temperature, after words that it really read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from optlab.distill import temperature_lab
from optlab.figures import format
from optlab.i18n import _
from optlab.results.temperature_lab import Position, TemperatureLab

QUOTED = 7
"""Tokens before its answer."""
SHOWN = 6
"""Of its likeliest tokens."""
UNDECIDED = 0.4
"""Probability of the likeliest token where a temperature has most to show: the teacher is neither sure nor lost."""


@dataclass(frozen=True)
class Softened:
    """told: what the bars are. tokens: the likeliest next ones. shares, labels: for each stop the probability of each
    token, as a number and in words; empty for a stop at which the teacher was not asked."""

    told: str
    tokens: tuple[str, ...]
    shares: tuple[tuple[float, ...], ...]
    labels: tuple[tuple[str, ...], ...]


def of(found: TemperatureLab, stops: Sequence[float]) -> Softened | None:
    """found: the teacher's answers. stops: temperatures of the knob. None where the passage has no words."""
    if not found.positions:
        return None
    at = min(range(len(found.positions)), key=lambda one: _distance(found.positions[one], found.temperatures))
    place = found.positions[at]
    shares = tuple(_shares(place, found.temperatures, stop) for stop in stops)
    quoted = "".join(found.tokens[max(at + 1 - QUOTED, 0) : at + 1]).strip()
    return Softened(
        _("What the teacher expects after “{words}”").format(words=quoted),
        tuple(found.names[id].strip() or "·" for id in place.ids[:SHOWN]), shares,
        tuple(tuple(format.percent(share) for share in some) for some in shares),
    )  # fmt: skip


def _distance(place: Position, temperatures: Sequence[float]) -> float:
    """How far the teacher is from undecided at temperature 1."""
    likeliest = _shares(place, temperatures, 1.0)[:1]
    return abs(likeliest[0] - UNDECIDED) if likeliest else math.inf


def _shares(place: Position, temperatures: Sequence[float], wanted: float) -> tuple[float, ...]:
    if wanted not in temperatures:
        return ()
    return tuple(temperature_lab.shown(place.teacher, temperatures, temperatures.index(wanted))[:SHOWN])
