"""What a temperature does, against closed forms and autograd."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from optlab.distill import temperature_lab
from optlab.distill.losses import forward_kl

Z_T = np.random.default_rng(0).normal(0, 3, 60)
Z_S = np.random.default_rng(1).normal(0, 3, 60)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_two_words_follow_the_logistic_function(temperature: float) -> None:
    z = np.array([2.0, 0.5])
    p = 1 / (1 + math.exp(-1.5 / temperature))
    np.testing.assert_allclose(temperature_lab.probabilities(z, temperature), [p, 1 - p])
    assert temperature_lab.entropy(z, temperature) == pytest.approx(-p * math.log(p) - (1 - p) * math.log(1 - p))


def test_entropy_grows_from_nothing_to_that_of_all_words_alike() -> None:
    found = [float(temperature_lab.entropy(Z_T, t)) for t in (0.01, *temperature_lab.TEMPERATURES, 1e4)]
    assert found == sorted(found)
    assert found[0] == pytest.approx(0.0, abs=1e-6)
    assert found[-1] == pytest.approx(math.log(60), abs=1e-6)


@given(st.floats(0.25, 20.0))
def test_the_gradient_is_that_of_autograd(temperature: float) -> None:
    student = torch.tensor(Z_S)[None].requires_grad_()
    forward_kl(student, torch.tensor(Z_T)[None], temperature).backward()
    np.testing.assert_allclose(temperature_lab.gradient(Z_S, Z_T, temperature), student.grad[0].numpy(), atol=1e-12)


def test_at_high_temperature_the_gradient_is_the_distance_of_the_logits() -> None:
    expected = ((Z_S - Z_S.mean()) - (Z_T - Z_T.mean())) / 60
    np.testing.assert_allclose(temperature_lab.gradient(Z_S, Z_T, 1e5), expected, rtol=1e-3, atol=1e-5)


def test_what_is_shown_follows_from_the_few_numbers_that_are_kept() -> None:
    rare = int(Z_T.argmin())
    found = temperature_lab.position(Z_T, Z_S, rare)
    assert list(found.ids[:-1]) == np.argsort(-Z_T)[: temperature_lab.SHOWN].tolist()
    assert found.ids[-1] == rare
    for number, t in enumerate(temperature_lab.TEMPERATURES):
        for side, z in (("teacher", Z_T), ("student", Z_S)):
            one = getattr(found, side)
            expected = temperature_lab.probabilities(z, t)[list(found.ids)]
            told = temperature_lab.shown(one, temperature_lab.TEMPERATURES, number)
            np.testing.assert_allclose(told, expected, rtol=1e-9)
            assert one.entropy[number] == pytest.approx(float(temperature_lab.entropy(z, t)))
        slope = temperature_lab.gradient(Z_S, Z_T, t)
        assert found.gradient[number] == pytest.approx(np.linalg.norm(slope))
        np.testing.assert_allclose(found.pull[number], -slope[list(found.ids)])
    student = torch.tensor(Z_S)[None].requires_grad_()
    torch.nn.functional.cross_entropy(student, torch.tensor([rare])).backward()
    assert found.hard_gradient == pytest.approx(float(student.grad.norm()))


def test_a_teacher_alone_has_no_gradient() -> None:
    found = temperature_lab.position(Z_T, None, None)
    assert found.student is None and found.gradient is None and len(found.ids) == temperature_lab.SHOWN
