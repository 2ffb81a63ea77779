"""Distillation losses against closed forms, limits and autograd in float64."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from optlab.distill.losses import forward_kl, mixed


def logits(seed: int, rows: int = 6, width: int = 9) -> torch.Tensor:
    return torch.randn(rows, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 2


def test_forward_kl_of_two_outcomes_equals_the_closed_form() -> None:
    # p = (3/4, 1/4), q = (1/2, 1/2): KL = 3/4 ln(3/2) + 1/4 ln(1/2)
    teacher, student = torch.tensor([[3.0, 1.0]]).log(), torch.zeros(1, 2)
    expected = 0.75 * torch.tensor(1.5).log() + 0.25 * torch.tensor(0.5).log()
    torch.testing.assert_close(forward_kl(student, teacher, 1.0), expected)


@given(st.floats(0.25, 20.0), st.integers(0, 50))
def test_forward_kl_is_zero_only_for_equal_distributions(temperature: float, seed: int) -> None:
    z = logits(seed)
    assert forward_kl(z + 3.0, z, temperature).abs() < 1e-9  # a constant added to all logits changes nothing
    assert forward_kl(logits(seed + 1), z, temperature) > 1e-6


def test_forward_kl_at_high_temperature_is_logit_matching() -> None:
    z_s, z_t = logits(1), logits(2)
    centred = (z_s - z_s.mean(-1, keepdim=True)) - (z_t - z_t.mean(-1, keepdim=True))
    expected = centred.square().mean(-1).mean() / 2
    assert forward_kl(z_s, z_t, 1e4) == pytest.approx(expected.item(), rel=1e-3)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_forward_kl_gradient_is_t_times_the_difference_of_probabilities(temperature: float) -> None:
    z_s, z_t = logits(3).requires_grad_(), logits(4)
    forward_kl(z_s, z_t, temperature).backward()
    expected = temperature * ((z_s / temperature).softmax(-1) - (z_t / temperature).softmax(-1)) / len(z_s)
    torch.testing.assert_close(z_s.grad, expected.detach())
    assert torch.autograd.gradcheck(lambda z: forward_kl(z, z_t, temperature), (logits(3).requires_grad_(),))


def test_alpha_mixes_linearly() -> None:
    hard, soft = torch.tensor(2.0), torch.tensor(6.0)
    assert mixed(hard, soft, 1.0) == 2.0
    assert mixed(hard, soft, 0.0) == 6.0
    assert mixed(hard, soft, 0.25) == 5.0
