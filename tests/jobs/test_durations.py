"""What this machine has done before says how long it takes; what it has not is taken in proportion."""

from __future__ import annotations

from pathlib import Path

import pytest

from optlab.jobs import durations
from optlab.jobs.durations import KEPT, Durations, Work

READ = Work("read", "model a", amount=100.0, prior_s=2.0)


def test_before_anything_was_done_the_priors_speak_and_without_one_nothing_does() -> None:
    assert Durations().expected(READ) == 2.0
    assert Durations().expected(Work("tasks", "", 1.0)) is None


def test_the_same_work_takes_what_it_took_and_another_amount_in_proportion() -> None:
    known = Durations().learned(READ, 6.0)
    assert known.expected(READ) == pytest.approx(6.0)
    assert known.expected(Work("read", "model b", 50.0, 1.0)) == pytest.approx(3.0)
    assert known.done_before(READ)
    assert not known.done_before(Work("read", "model b", 50.0, 1.0))


def test_what_was_never_done_here_is_scaled_by_how_this_machine_compares() -> None:
    known = Durations().learned(READ, 6.0)  # three times as slow
    assert known.expected(Work("compress", "", 7.0, 10.0)) == pytest.approx(30.0)


def test_one_busy_minute_is_forgotten() -> None:
    known = Durations()
    for seconds in (2.0, 2.0, 80.0, 2.0):
        known = known.learned(READ, seconds)
    assert known.expected(READ) == pytest.approx(2.0)
    for _ in range(KEPT):
        known = known.learned(READ, 4.0)
    assert known.expected(READ) == pytest.approx(4.0)


def test_what_was_used_longest_ago_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durations, "MOST_KEYS", 3)
    known = Durations().learned(READ, 1.0).learned(Work("compress", "x", 1.0), 1.0).learned(READ, 1.0)
    assert known.done_before(READ)
    assert not known.done_before(Work("compress", "x", 1.0))


def test_it_is_kept_and_a_damaged_file_is_as_good_as_none(home: Path) -> None:
    durations.learn([(READ, 6.0)])
    durations.learn([(READ, 8.0)])
    assert durations.load().expected(READ) == pytest.approx(7.0)
    (home / durations.FILE).write_bytes(b"\xff{")
    assert durations.load() == Durations()


def test_work_with_a_limit_ends_there_and_teaches_nothing_when_it_did() -> None:
    known = Durations().learned(Work("train", "", amount=10.0), 600.0)
    limited = Work("train", "", amount=10.0, most_s=60.0)
    assert known.expected(limited) == 60.0
    assert known.expected(Work("train", "", 0.5, most_s=60.0)) == pytest.approx(30.0)
    assert known.learned(limited, 61.0).expected(Work("train", "", 10.0)) == pytest.approx(600.0)
    assert known.learned(limited, 20.0).expected(Work("train", "", 10.0)) < 600.0


def test_work_that_is_hardly_more_than_its_start_tells_nothing_of_other_work() -> None:
    tiny = Work("read", "tiny", amount=1.0, prior_s=0.0003)
    known = Durations().learned(tiny, 0.3)
    assert known.expected(tiny) == pytest.approx(0.3)
    assert known.expected(Work("read", "large", 5_000.0, 1.5)) == pytest.approx(1.5)
    assert known.expected(Work("train", "large", 1.0, 120.0)) == pytest.approx(120.0)
