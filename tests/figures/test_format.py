"""Numbers for people: short, with the right word, and never a number for what was not measured."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab.figures import format


@pytest.mark.parametrize(
    ("count", "shown"),
    [(None, "not measured yet"), (512, "512 B"), (12_345, "12.3 kB"), (74_291_456, "74.3 MB"), (1.2e9, "1.20 GB")],
)
def test_bytes_are_decimal(count: float | None, shown: str) -> None:
    assert format.megabytes(count) == shown


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [(None, "not measured yet"), (0.25, "4.0 x smaller"), (0.9, "1.11 x smaller"), (1.0, "same size"),
     (2.0, "2.0 x larger")],
)  # fmt: skip
def test_size_is_a_factor_with_its_direction(ratio: float | None, shown: str) -> None:
    assert format.smaller(ratio) == shown


@pytest.mark.parametrize(("speedup", "shown"), [(2.0, "2.0 x faster"), (0.5, "2.0 x slower"), (1.0, "same speed")])
def test_speed_is_a_factor_with_its_direction(speedup: float, shown: str) -> None:
    assert format.faster(speedup) == shown


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [(1.021, "2.1% worse"), (0.997, "0.30% better"), (1.0004, "0.04% worse"), (31.0, "31 x worse"),
     (6.8e5, "680,000 x worse"), (math.inf, "worse beyond measure"),
     (math.nan, "beyond measure")],
)  # fmt: skip
def test_perplexity_is_percent_until_it_is_times(ratio: float, shown: str) -> None:
    assert format.worse(ratio) == shown


@given(st.floats(0.3, 3.0))
def test_no_difference_is_called_one_of_zero_percent(ratio: float) -> None:
    said = format.worse(ratio)
    assert "0.00%" not in said
    assert (said == format.as_good()) == (abs(ratio - 1) < 5e-5) or abs(abs(ratio - 1) - 5e-5) < 1e-9


def test_an_interval_has_signs() -> None:
    assert format.change_range(0.998, 1.012) == "-0.20% to +1.2%"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.42, "0.4 s"), (59.0, "59 s"), (130.0, "2 min 10 s"), (3900.0, "1 h 5 min"), (None, "")]
)
def test_durations(seconds: float | None, shown: str) -> None:
    assert format.duration(seconds) == shown


@given(st.floats(1e-6, 9e6))
def test_significant_digits_keep_the_value(value: float) -> None:
    shown = float(format.significant(value, 4).replace(",", ""))
    assert math.isclose(shown, value, rel_tol=1e-3, abs_tol=1e-6)


@given(st.integers(0, 10**12))
def test_the_exact_count_of_bytes_is_kept(count: int) -> None:
    assert int(format.exact(count, "bytes").removesuffix(" bytes").replace(",", "")) == count


@pytest.mark.parametrize(
    ("count", "shown"), [(4096, "4,096"), (5_181_000, "5.18 M"), (134_515_008, "134.5 M"), (7_241_732_096, "7.24 B")]
)
def test_counts_are_named_as_models_are(count: int, shown: str) -> None:
    assert format.amount(count) == shown


NUMBERS = [
    format.significant,
    format.number,
    format.worse,
    format.change,
    format.percent,
    format.smaller,
    format.faster,
]


@pytest.mark.parametrize("said", NUMBERS)
@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 0.0])
def test_no_figure_is_shown_as_infinite_or_not_a_number(said: Callable[[float], str], value: float) -> None:
    assert "inf" not in said(value) and "nan" not in said(value)
    assert "better" not in said(value) or value == 0
