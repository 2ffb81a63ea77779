"""Who nearly won: what was a little larger, slower or worse than the answer, and what would have won but broke a limit.

An answer that names its rivals can be checked by whoever asked; one without them has to be believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from optlab.advice.candidate import Candidate
from optlab.advice.wish import ORDERS, Preference, Wish, breaks
from optlab.figures import format
from optlab.i18n import _

EACH = 2
"""Of those that lost by the preference, and of those that broke a limit."""


@dataclass(frozen=True)
class NearMiss:
    """A candidate that nearly was the answer. broken: the limits that it does not surely keep; none where it keeps all
    and is only less preferred. why: it lost, as one sentence without a full stop."""

    candidate: Candidate
    broken: tuple[str, ...]
    why: str


def near_misses(wish: Wish, best: Candidate, candidates: Iterable[Candidate]) -> list[NearMiss]:
    """The nearest rivals of `best`, which answers `wish`: first what would have been preferred but breaks a limit, the
    least preferred first, then what keeps every limit and comes next."""
    order = ORDERS[wish.prefer]
    rivals = sorted((one for one in candidates if one is not best), key=order)
    tempting = [(one, broken) for one in rivals if order(one) < order(best) and (broken := breaks(wish, one))]
    next_best = [one for one in rivals if order(one) >= order(best) and not breaks(wish, one)]
    return [
        *(NearMiss(one, broken, _broken(wish, one, broken)) for one, broken in reversed(tempting[-EACH:])),
        *(NearMiss(one, (), _less(wish.prefer, one, best)) for one in next_best[:EACH]),
    ]


def _broken(wish: Wish, one: Candidate, limits: Sequence[str]) -> str:
    said = {"memory": _too_large, "speed": _too_slow, "quality": _too_much_lost}
    return _(" and ").join(said[limit](wish, one) for limit in limits)


def _too_large(wish: Wish, one: Candidate) -> str:
    needed = one.memory_bytes if one.memory_bytes is not None else one.size_bytes
    return _("it needs {size} of memory, {limit} are there").format(
        size=format.megabytes(needed), limit=format.megabytes(wish.memory_bytes)
    )


def _too_slow(wish: Wish, one: Candidate) -> str:
    if one.tokens_per_s is None:
        return _("its speed was not measured on this machine")
    return _("it writes {speed} tokens per second, {limit} were asked for").format(
        speed=format.significant(one.tokens_per_s), limit=f"{wish.tokens_per_s:g}"
    )


def _too_much_lost(wish: Wish, one: Candidate) -> str:
    if one.ratio is None:
        return _("its perplexity is not known")
    limit = f"{wish.worse_percent:g}"
    if one.high is None or (one.ratio - 1) * 100 > (wish.worse_percent or 0.0):
        return _("{loss}, the limit is {limit}%").format(loss=format.worse(one.ratio), limit=limit)
    return _("{loss}, but perhaps {most}: not surely within {limit}%").format(
        loss=format.worse(one.ratio), most=format.change(one.high), limit=limit
    )


def _less(prefer: Preference, one: Candidate, best: Candidate) -> str:
    """Both keep every limit; `one` is less of what was preferred."""
    if prefer == "fast":
        if one.tokens_per_s is None or best.tokens_per_s is None:
            return _("its speed was not measured on this machine")
        return _("keeps the limits, but writes {speed} tokens per second instead of {best}").format(
            speed=format.significant(one.tokens_per_s), best=format.significant(best.tokens_per_s)
        )
    if prefer == "close":
        if one.ratio is None:
            return _("its perplexity is not known")
        return _("keeps the limits, but is {loss}").format(loss=format.worse(one.ratio))
    if one.size_bytes == best.size_bytes:
        return _("as small, and not better")
    return _("keeps the limits, but is {bytes} larger").format(bytes=format.megabytes(one.size_bytes - best.size_bytes))
