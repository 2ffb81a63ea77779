"""Against another run: quotients of what both are against the original, with intervals on the safe side."""

from __future__ import annotations

import math

import pytest

from optlab.figures import frames
from optlab.figures.against import against


def record(run: int, ratio: float, size: int, speedup: float | None) -> dict[str, object]:
    return {
        "run": run, "model": "nano", "recipe": f"r{run}", "text": "t", "name": "", "note": "", "starred": False,
        "baseline_size_bytes": 1000, "baseline_ppl": 20.0, "compressed_size_bytes": size, "size_ratio": size / 1000,
        "delta_ppl_ratio": ratio, "delta_ppl_ratio_ci95_low": ratio / 1.02, "delta_ppl_ratio_ci95_high": ratio * 1.02,
        "delta_decode_speedup": speedup, "delta_decode_speedup_ci95_low": speedup and speedup / 1.1,
        "delta_decode_speedup_ci95_high": speedup and speedup * 1.1, "finished": 1.0,
    }  # fmt: skip


RECORDS = [record(1, 1.1, 400, 2.0), record(2, 1.5, 200, 3.0), record(3, 2, 100, None)]
FRAME = frames.with_original(frames.tradeoffs(RECORDS))
FIRST = FRAME.iloc[1]


def test_every_figure_is_the_quotient_of_two() -> None:
    found = against(FRAME, FIRST)
    assert found["ppl_ratio"].tolist() == pytest.approx([1 / 1.1, 1.0, 1.5 / 1.1, 2 / 1.1])
    assert found["size_ratio"].tolist() == pytest.approx([2.5, 1.0, 0.5, 0.25])
    assert found["speedup"].iloc[2] == pytest.approx(1.5)
    assert math.isnan(found["speedup"].iloc[3])


def test_half_widths_add_in_quadrature_and_a_run_equals_itself() -> None:
    found = against(FRAME, FIRST)
    assert found[["low", "high"]].iloc[1].tolist() == [1.0, 1.0]
    assert math.log(found["high"].iloc[2] / found["ppl_ratio"].iloc[2]) == pytest.approx(math.sqrt(2) * math.log(1.02))
    assert math.log(found["ppl_ratio"].iloc[0] / found["low"].iloc[0]) == pytest.approx(math.log(1.02))


def test_the_original_is_slower_than_what_was_faster() -> None:
    found = against(FRAME, FIRST)
    assert found["speedup"].iloc[0] == pytest.approx(0.5)
    assert found["speed"].iloc[0] == "2.0 x slower"
    assert found["speed"].iloc[1] == ""


def test_the_original_stands_first_without_a_run() -> None:
    assert FRAME["run"].isna().tolist() == [True, False, False, False]
    assert FRAME["size_bytes"].iloc[0] == 1000
    assert frames.with_original(FRAME.iloc[:0]).empty
