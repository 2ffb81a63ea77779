"""The limit of memory is worked out from bytes, time and bandwidth, and nothing is said when one of them is missing."""

from __future__ import annotations

from typing import Any

import pytest

from optlab.figures import limit
from optlab.results.latency import TimedPair
from optlab.results.measurement import Measurement
from tests.pages import samples


def result(bytes_per_token: int | None, decode_ms: float, bandwidth: float | None, **timed: Any) -> Measurement:
    """A measurement whose candidate reads so many bytes, on a machine of this bandwidth."""
    found = samples.measurement(1.1, 5_000_000, decode_ms, samples.quantized(4))
    assert found.latency is not None
    candidate = found.latency.candidate.model_copy(update={"bytes_per_token": bytes_per_token, **timed})
    environment = found.environment.model_copy(update={"read_bytes_per_s": bandwidth})
    latency = TimedPair(base=found.latency.base, candidate=candidate)
    return found.model_copy(update={"latency": latency, "environment": environment})


def share(found: Measurement) -> float | None:
    assert found.latency is not None
    return limit.share(found.latency.candidate, found.environment.read_bytes_per_s)


def test_half_of_the_bandwidth_is_twice_the_least_time() -> None:
    found = result(60_000_000, 4.0, 30e9)  # 2 ms at 30 GB/s
    assert share(found) == pytest.approx(0.5)
    said = limit.sentence(found)
    assert "60.0 MB" in said
    assert "30.0 GB/s" in said
    assert "2.00 ms" in said
    assert "50" in said


def test_keys_and_values_are_read_too() -> None:
    found = result(60_000_000, 4.0, 30e9, bytes_per_position=50_000, prompt_tokens=500, new_tokens=200)
    assert share(found) == pytest.approx(0.75)  # 30 MB more


def test_weights_that_stay_in_the_cache_are_not_called_faster_than_possible() -> None:
    assert "cache" in limit.sentence(result(4_000_000, 0.05, 30e9))


def test_a_limit_that_some_tokens_kept_below_is_not_called_one() -> None:
    assert "no program" in limit.sentence(result(6_000_000, 2.6, 15e9, decode_ms_p5=0.41))  # 0.4 ms at 15 GB/s
    assert "no program" not in limit.sentence(result(6_000_000, 2.6, 15e9, decode_ms_p5=0.36))


@pytest.mark.parametrize("missing", [result(None, 1.0, 30e9), result(1, 1.0, None)])
def test_nothing_is_said_about_what_is_not_known(missing: Measurement) -> None:
    assert share(missing) is None
    assert limit.sentence(missing) == ""


def test_nothing_is_said_about_what_was_not_timed() -> None:
    assert limit.sentence(samples.measurement(1.1, 5_000_000, None, samples.quantized(4))) == ""
