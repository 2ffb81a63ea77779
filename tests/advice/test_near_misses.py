"""An answer names its rivals and why each lost; the question and the rule are told in words."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from optlab.advice import question
from optlab.advice.candidate import unproved
from optlab.advice.near_misses import EACH, near_misses
from optlab.advice.wish import ORDERS, Wish, answer, breaks
from tests.advice.test_wish import CLOSE, EVERYONE, FAST, SMALL, candidate

CANDIDATES = st.lists(
    st.builds(
        candidate, st.text("abc", min_size=1, max_size=3), st.integers(1, 10**9), st.none() | st.floats(0.9, 50.0),
        st.sampled_from(["measured", "predicted"]),
    ),
    max_size=12,
)  # fmt: skip


def test_what_was_smaller_broke_the_limit_and_what_kept_it_was_larger() -> None:
    wish = Wish(worse_percent=13)
    misses = near_misses(wish, FAST, EVERYONE)
    assert [(miss.candidate, miss.broken) for miss in misses[:2]] == [(SMALL, ("quality",)), (CLOSE, ())]
    assert "50.0% worse, the limit is 13%" in misses[0].why
    assert "200 B larger" in misses[1].why


def test_what_may_be_within_the_limit_is_not_surely_within_it() -> None:
    unsure = candidate("unsure", 100, 1.12)
    (miss, *_rest) = near_misses(Wish(worse_percent=13), FAST, [*EVERYONE, unsure])
    assert miss.candidate == SMALL  # the nearest in size comes first
    unsure = replace(unsure, size_bytes=300)
    (miss, *_rest) = near_misses(Wish(worse_percent=13), FAST, [*EVERYONE, unsure])
    assert miss.why == "12.0% worse, but perhaps +14.2%: not surely within 13%"


def test_memory_and_speed_are_told_with_both_figures() -> None:
    heavy = replace(SMALL, memory_bytes=9_000_000, decode_ms=200.0, ratio=1.0, low=1.0, high=1.0)
    (miss,) = near_misses(Wish(memory_bytes=5_000_000, tokens_per_s=10), FAST, [heavy])
    assert miss.broken == ("memory", "speed")
    for figure in ("9.00 MB", "5.00 MB", "5.00 tokens per second", "10 were asked for"):
        assert figure in miss.why


@given(CANDIDATES, st.floats(0.0, 100.0), st.sampled_from(["small", "fast", "close"]))
def test_a_near_miss_either_breaks_a_limit_or_is_less_preferred(found: list, percent: float, prefer: str) -> None:
    wish = Wish(worse_percent=percent, prefer=prefer)  # type: ignore[arg-type]
    best = answer(wish, found).best
    if best is None:
        return
    misses = near_misses(wish, best, found)
    assert len(misses) <= 2 * EACH
    for miss in misses:
        assert miss.candidate is not best
        assert miss.why
        assert miss.broken == breaks(wish, miss.candidate)
        assert miss.broken or ORDERS[wish.prefer](miss.candidate) >= ORDERS[wish.prefer](best) or (
            miss.candidate.source == "predicted"
        )  # fmt: skip


def test_a_hair_better_is_not_worth_leaving_what_was_proved() -> None:
    proved = candidate("proved", 1000, 1.0)
    hair, clear = candidate("hair", 990, 1.0, "predicted"), candidate("clear", 900, 1.0, "predicted")
    assert answer(Wish(), [proved, hair]).better is None
    assert answer(Wish(), [proved, hair, clear]).better == clear


def test_what_was_measured_is_no_longer_predicted() -> None:
    guess = candidate("guess", 100, 1.0, "predicted")
    assert unproved([guess], [candidate("measured", 100, 1.1)]) == []  # the same recipe
    assert unproved([guess], [guess]) == [guess]


def test_a_wish_is_asked_as_a_question_with_its_rule() -> None:
    wish = Wish(memory_bytes=5 * 10**8, worse_percent=5)
    assert question.in_words(wish) == "Which is the smallest that is surely at most 5% worse and needs at most 500 MB?"
    assert question.in_words(Wish(prefer="fast")) == "Which is the fastest?"
    assert "worse end of the interval" in question.rule(wish)
    assert "interval" not in question.rule(Wish())
