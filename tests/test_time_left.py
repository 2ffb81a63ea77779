"""The time left, on simulated clocks: it never jumps up, and it is right where the machine does what was expected."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab.progress import silent
from optlab.time_left import GROWTH, Countdown, Phases, extrapolated

seconds = st.floats(0.1, 500.0)


@dataclass
class Watcher:
    """A run that is watched: its clock, and what was shown when."""

    now: float = 0.0
    countdown: Countdown = field(default_factory=Countdown)
    estimate: float = 0.0
    shown: list[tuple[float, float | None]] = field(default_factory=list)
    fractions: list[float] = field(default_factory=list)

    def left(self, seconds: float) -> None:
        self.estimate = seconds

    def __call__(self, fraction: float, message: str, partial: object = None) -> None:
        self.fractions.append(fraction)
        self.shown.append((self.now, self.countdown.shown(self.estimate)))

    @property
    def numbers(self) -> list[float]:
        return [left for _, left in self.shown if left is not None]


@dataclass(frozen=True)
class Part:
    """A phase as it really goes: how long it takes against what was expected, how often it reports, at which shares
    of its time (a phase may crawl first and then run)."""

    expected: float
    factor: float
    reports: int
    skew: float


parts = st.builds(Part, seconds, st.floats(0.05, 20.0), st.integers(0, 12), st.floats(0.3, 3.0))


def run(watcher: Watcher, plan: list[Part]) -> float:
    """Let the clock run through all parts; seconds in all."""
    phases = Phases(watcher, {str(number): part.expected for number, part in enumerate(plan)}, lambda: watcher.now)
    for number, part in enumerate(plan):
        with phases.phase(str(number)) as report:
            began, lasts = watcher.now, part.expected * part.factor
            for k in range(part.reports):
                watcher.now = began + lasts * k / part.reports
                report((k / part.reports) ** part.skew, "working")
            watcher.now = began + lasts
    return watcher.now


@given(st.lists(parts, min_size=1, max_size=7))
def test_what_is_shown_never_grows_by_more_than_a_tenth(plan: list[Part]) -> None:
    watcher = Watcher()
    run(watcher, plan)
    for place, left in enumerate(watcher.numbers):
        assert 0.0 <= left <= GROWTH * min(watcher.numbers[: place + 1]) * (1 + 1e-9)
    assert watcher.fractions == sorted(watcher.fractions)
    assert all(0.0 <= fraction <= 1.0 + 1e-9 for fraction in watcher.fractions)


@given(st.lists(st.floats(0.0, 1e6), min_size=1))
def test_no_series_of_estimates_makes_the_countdown_jump_up(estimates: list[float]) -> None:
    countdown = Countdown()
    shown = [left for estimate in estimates if (left := countdown.shown(estimate)) is not None]
    for place, left in enumerate(shown):
        assert left <= GROWTH * min(shown[: place + 1]) * (1 + 1e-9)


@given(st.lists(st.builds(Part, seconds, st.just(1.0), st.integers(5, 12), st.just(1.0)), min_size=1, max_size=7))
def test_it_is_exact_when_everything_takes_as_long_as_expected(plan: list[Part]) -> None:
    watcher = Watcher()
    total = run(watcher, plan)
    for when, left in watcher.shown:
        assert left == pytest.approx(total - when, rel=1e-6, abs=1e-6 * total)


@given(
    st.lists(st.builds(Part, seconds, st.just(1.0), st.integers(20, 40), st.just(1.0)), min_size=1, max_size=7),
    st.floats(0.7, 1.4),
)
def test_a_machine_that_is_slower_or_faster_today_is_found_out(plan: list[Part], pace: float) -> None:
    """From a tenth on, what is shown is within a factor of 1.5, until less is left than a person would notice."""
    watcher = Watcher()
    total = run(watcher, [Part(part.expected, pace, part.reports, 1.0) for part in plan])
    for when, left in watcher.shown:
        if 0.1 * total <= when <= 0.95 * total:
            assert left is not None
            assert (total - when) / 1.5 <= left <= (total - when) * 1.5


def test_nothing_is_shown_where_the_truth_would_be_a_jump() -> None:
    countdown = Countdown()
    assert [countdown.shown(estimate) for estimate in (10.0, 10.5, 14.0, 60.0, 9.0)] == [10.0, 10.5, 11.0, None, 9.0]


def test_a_phase_that_does_not_say_how_far_it_is_never_promises_to_be_over() -> None:
    assert extrapolated(10.0, 4.0, 0.0) == 6.0
    assert extrapolated(10.0, 40.0, 0.0) == 4.0
    assert extrapolated(10.0, 5.0, 0.5) == pytest.approx(5.0)
    assert 15.0 < extrapolated(10.0, 20.0, 0.5) < 20.0  # half of it took twice as long: the other half may too


def test_a_phase_that_is_left_out_is_over() -> None:
    watcher = Watcher()
    phases = Phases(watcher, {"read": 1.0, "compress": 8.0, "read the text": 1.0}, lambda: watcher.now)
    with phases.phase("read the text") as report:
        report(0.5, "half")
        watcher.now += 2.0
    assert watcher.fractions == [0.95]
    assert phases.took == {"read the text": 2.0}


def test_who_does_not_want_to_know_is_not_told() -> None:
    with Phases(silent, {"all": 1.0}).phase("all") as report:
        report(0.5, "half")
