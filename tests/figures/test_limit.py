"""The limit of memory is worked out from bytes, time and bandwidth, and nothing is said when one of them is missing."""

from __future__ import annotations

from typing import Any

import pytest

from optlab.figures import limit


def result(bytes_per_token: int | None, decode_ms: float, bandwidth: float | None) -> dict[str, Any]:
    timed = {"bytes_per_token": bytes_per_token, "decode_ms": decode_ms}
    return {"latency": {"base": timed, "candidate": timed}, "environment": {"read_bytes_per_s": bandwidth}}


def test_half_of_the_bandwidth_is_twice_the_least_time() -> None:
    found = result(60_000_000, 4.0, 30e9)  # 2 ms at 30 GB/s
    assert limit.shares(found) == pytest.approx({"base": 0.5, "candidate": 0.5})
    said = limit.sentence(found)
    assert "60.0 MB" in said
    assert "30.0 GB/s" in said
    assert "2.00 ms" in said
    assert "50" in said


def test_keys_and_values_are_read_too() -> None:
    found = result(60_000_000, 4.0, 30e9)
    for timed in found["latency"].values():
        timed |= {"bytes_per_position": 50_000, "prompt_tokens": 500, "new_tokens": 200}
    assert limit.shares(found)["candidate"] == pytest.approx(0.75)  # 30 MB more


def test_weights_that_stay_in_the_cache_are_not_called_faster_than_possible() -> None:
    assert "cache" in limit.sentence(result(4_000_000, 0.05, 30e9))


@pytest.mark.parametrize(
    "missing", [result(None, 1.0, 30e9), result(1, 1.0, None), {"latency": None}, {}, {"latency": {"base": None}}]
)
def test_nothing_is_said_about_what_is_not_known(missing: dict[str, Any]) -> None:
    assert limit.shares(missing) == {}
    assert limit.sentence(missing) == ""
