"""Distillation at a temperature is the library's loss, and meets logit matching when it is hot."""

from __future__ import annotations

import pytest
import torch

from optlab.distill import losses
from optlab.lessons import temperature
from optlab.lessons.weights import Weights
from tests.lessons.conftest import SENTENCE


@pytest.fixture(scope="module")
def pair(nano: Weights) -> temperature.Pair:
    return temperature.pair(nano, temperature.student(nano, 2), SENTENCE)


@pytest.mark.parametrize("heat", [0.5, 1.0, 4.0])
def test_divergences_equal_the_losses_that_train_a_student(pair: temperature.Pair, heat: float) -> None:
    student, teacher = (torch.from_numpy(z).double()[None] for z in (pair.student, pair.teacher))
    found = temperature.divergences(pair, heat)
    assert found["forward"] == pytest.approx(float(losses.forward_kl(student, teacher, heat)), rel=1e-6)
    assert found["reverse"] == pytest.approx(float(losses.reverse_kl(student, teacher, heat)), rel=1e-6)
    assert found["forward"] > 0


def test_a_hot_teacher_asks_for_its_logits(pair: temperature.Pair) -> None:
    found = temperature.divergences(pair, 2000.0)
    assert found["forward"] == pytest.approx(temperature.matching(pair), rel=0.01)
    assert found["reverse"] == pytest.approx(temperature.matching(pair), rel=0.01)


def test_heat_raises_the_entropy_of_the_teacher(pair: temperature.Pair) -> None:
    entropies = [temperature.divergences(pair, heat)["entropy"] for heat in (0.5, 1.0, 2.0, 8.0)]
    assert entropies == sorted(entropies)
    assert entropies[-1] < torch.tensor(float(len(pair.teacher))).log()
