"""A teacher is worth its time: nano's student learns more from it in a minute than from the text alone in a minute."""

from __future__ import annotations

import pytest

from benchmarks.distillation import against_text


@pytest.mark.slow
def test_sixty_seconds_with_a_teacher_beat_sixty_seconds_without() -> None:
    found = against_text(seconds=60.0, temperature=1.0, alpha=0.0)
    assert found["share_of_parameters"] <= 0.4
    assert found["nll_taught"] < found["nll_text_alone"]
    low, high = found["ci95"]
    assert low < high < 0.0, "the paired interval leaves zero out"
