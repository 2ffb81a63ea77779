"""The table of tasks says what one has to know before reading a score."""

from __future__ import annotations

import pytest

from optlab.client.task_words import remark, tasks_in_words
from optlab.evaluation.task_statistics import wilson
from optlab.results.tasks import Difference, Side, TaskResult


def result(right: int, lost: int = 0, won: int = 0) -> TaskResult:
    """Of 300 questions with four choices."""
    side = Side(score=right / 300, ci95=wilson(right, 300))
    after = Side(score=(right - lost + won) / 300, ci95=wilson(right - lost + won, 300))
    return TaskResult(
        questions=300, chance=0.25, always_the_same=0.01, base=side, candidate=after,
        delta=Difference(score=(won - lost) / 300, ci95=(-0.1, 0.1), lost=lost, won=won),
    )  # fmt: skip


@pytest.mark.parametrize(("right", "said"), [(76, "at chance, as it must be"), (120, "ABOVE chance")])
def test_a_control_is_at_chance_or_the_measuring_is_wrong(right: int, said: str) -> None:
    assert said in remark("shuffled_answers", result(right))


def test_a_score_at_chance_is_no_evidence() -> None:
    assert "cannot show a loss" in remark("openbookqa", result(80))
    assert remark("openbookqa", result(120)) == ""


def test_p_values_of_all_recipes_are_corrected_together() -> None:
    told = tasks_in_words({"a": {"openbookqa": result(120, 12, 2)}, "b": {"openbookqa": result(120, 12, 2)}})
    rows = [line.split() for line in told.splitlines() if line.startswith("openbookqa ")]
    assert [row[-2:] for row in rows] == [["0.013", "0.026"]] * 2  # scipy: binomtest(2, 14).pvalue = 0.01294
