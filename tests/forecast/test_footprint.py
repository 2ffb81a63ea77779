"""The peak of a process that measures is what was foretold of it, within 15 %."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.forecast import found_and_told


@pytest.mark.slow
@pytest.mark.parametrize("way", ["whole", "blocks"])
@pytest.mark.parametrize("method", ["rtn", "gptq"])
def test_a_peak_is_what_was_foretold(method: str, way: str, tmp_path: Path) -> None:
    one = found_and_told(tmp_path, "0.1b", method, way)
    print(one)
    assert one["told_peak"] == pytest.approx(one["found_peak"], rel=0.15)
