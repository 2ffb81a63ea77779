"""A teacher is worth its cost: nano's student learns more from it than from the text alone for the same work."""

from __future__ import annotations

import pytest

from benchmarks.distillation import against_text, steps_of_text


def test_a_step_with_a_teacher_costs_the_pass_of_the_teacher_more() -> None:
    assert steps_of_text(300, 1.0) == 400  # forward, backward of two passes, and a teacher of the same size
    assert steps_of_text(300, 1 / 3) == 600


@pytest.mark.slow
def test_a_student_with_a_teacher_beats_one_without_for_the_same_multiplications() -> None:
    """About a minute each on two quiet cores, counted in steps, so that it is the same on every machine."""
    found = against_text(temperature=1.0, alpha=0.0, steps_taught=300)
    assert found["share_of_parameters"] <= 0.4
    assert found["steps"]["taught"] == 300
    assert found["steps"]["text"] == steps_of_text(300, found["share_of_parameters"]) > 500
    assert found["nll_taught"] < found["nll_text_alone"]
    low, high = found["ci95"]
    assert low < high < 0.0, "the paired interval leaves zero out"
