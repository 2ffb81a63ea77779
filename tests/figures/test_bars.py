"""The bars of a card: lengths in proportion, the interval where it belongs, nothing for what was not measured."""

from __future__ import annotations

import re

import pytest

from optlab.figures import bars, style
from optlab.figures.pairs import Pair


def pair(base: float | None, candidate: float | None, low: float | None = None, high: float | None = None) -> Pair:
    return Pair("Latency", "", base, candidate, f"{base} ms", f"{candidate} ms", "", low=low, high=high)


def widths(drawn: str) -> list[float]:
    return [float(found) for found in re.findall(r"width:([\d.]+)%;height:100%", drawn)]


def test_bars_are_as_long_as_their_values() -> None:
    assert widths(bars.html(pair(20.0, 5.0))) == [100.0, 25.0]
    assert widths(bars.html(pair(8.0, 10.0, 9.0, 16.0))) == [50.0, 62.5]


def test_the_interval_lies_around_its_bar() -> None:
    drawn = bars.html(pair(20.0, 5.0, 4.0, 8.0))
    assert "left:20.00%;right:calc(100% - 40.00%)" in drawn
    assert drawn.count("border-top:2px solid currentColor") == 1, "the original has no interval"
    assert "currentColor" not in bars.html(pair(20.0, 5.0))


def test_colours_have_their_meaning_and_values_are_exact_when_asked() -> None:
    drawn = bars.html(pair(269_060_552.0, 74_000_001.0))
    assert drawn.index(style.BASE) < drawn.index(style.MEASURED)
    assert 'title="compressed: 74,000,001"' in drawn
    assert 'aria-label="Latency: original 269060552.0 ms, compressed 74000001.0 ms"' in drawn


@pytest.mark.parametrize(("base", "candidate", "count"), [(None, None, 0), (3.0, None, 1), (0.0, 0.0, 2)])
def test_what_is_missing_has_no_bar(base: float | None, candidate: float | None, count: int) -> None:
    drawn = bars.html(pair(base, candidate))
    assert drawn.count("title=") == count


def test_words_cannot_become_markup() -> None:
    named = Pair("<b>", "", 1.0, 2.0, '"', "<i>", "")
    assert "<b>" not in bars.html(named) and "<i>" not in bars.html(named)
