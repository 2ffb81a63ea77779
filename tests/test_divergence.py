"""Log-probabilities and divergences against closed forms, torch's own kl_div, and autograd."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from optlab.divergence import kl_divergence, log_softmax, softened_kl

HALVES = [torch.float16, torch.bfloat16]


def logits(seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """[2, 3, 9]"""
    return torch.randn(2, 3, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).mul(3).to(dtype)


@pytest.mark.parametrize("dtype", [*HALVES, torch.float32])
def test_log_softmax_is_float32_and_that_of_the_logits_as_they_are(dtype: torch.dtype) -> None:
    z = logits(1, dtype)
    found = log_softmax(z)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), z.double() - z.double().logsumexp(-1, keepdim=True), rtol=0, atol=2e-6)


def test_float64_stays_float64() -> None:
    assert log_softmax(logits(1)).dtype == torch.float64


def test_the_divergence_of_two_outcomes_is_the_closed_form() -> None:
    p, q = torch.tensor([0.75, 0.25]).double(), torch.tensor([0.5, 0.5]).double()
    assert kl_divergence(p.log(), q.log()).item() == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert kl_divergence(q.log(), p.log()).item() == pytest.approx(0.5 * math.log(2 / 3) + 0.5 * math.log(2))


@given(st.integers(0, 200), st.integers(0, 200))
def test_the_divergence_is_that_of_torch_and_never_negative(a: int, b: int) -> None:
    log_p, log_q = log_softmax(logits(a)), log_softmax(logits(b))
    expected = F.kl_div(log_q, log_p, reduction="none", log_target=True).sum(-1)
    found = kl_divergence(log_p, log_q)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(kl_divergence(log_p, log_q, log_p.exp()), found, rtol=0, atol=0)
    assert (found > -1e-12).all()


def test_what_cannot_happen_adds_nothing_and_what_was_thought_impossible_is_infinitely_far() -> None:
    log_p = torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]).log()
    log_q = torch.tensor([[0.25, 0.75, 0.0], [0.5, 0.0, 0.5], [1.0, 0.0, 0.0]]).log()
    found = kl_divergence(log_p, log_q)
    assert found[0].item() == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3), abs=1e-7)
    assert found[1] == math.inf
    assert found[2] == 0.0


def test_no_number_among_the_logits_is_seen_in_its_row_only() -> None:
    z = logits(1)[0]
    z[1, 4] = math.nan
    found = log_softmax(z)
    assert found[1].isnan().all() and found[[0, 2]].isfinite().all()
    assert kl_divergence(found, log_softmax(logits(2)[0])).isnan().tolist() == [False, True, False]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_the_softened_divergence_is_a_mean_over_positions_of_torchs(temperature: float) -> None:
    student, teacher = logits(3), logits(4)
    log_q, log_p = ((z / temperature).log_softmax(-1).flatten(0, 1) for z in (student, teacher))
    expected = temperature**2 * F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)
    torch.testing.assert_close(softened_kl(student, teacher, temperature), expected)
    learning = softened_kl(student, teacher.requires_grad_(), temperature)
    torch.testing.assert_close(learning, expected)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_gradients_reach_both_sides(temperature: float) -> None:
    own, other = logits(3).requires_grad_(), logits(4)
    assert torch.autograd.gradcheck(lambda z: softened_kl(z, other, temperature), (own,))
    assert torch.autograd.gradcheck(lambda z: softened_kl(other, z, temperature), (own,))
    assert torch.autograd.gradcheck(lambda z: kl_divergence(log_softmax(z), log_softmax(other)), (own,))


@pytest.mark.parametrize("dtype", HALVES)
def test_the_gradient_of_half_precision_logits_has_their_type(dtype: torch.dtype) -> None:
    own = logits(3, dtype).requires_grad_()
    softened_kl(own, logits(4, dtype), 2.0).backward()
    wide = own.detach().double().requires_grad_()
    softened_kl(wide, logits(4, dtype).double(), 2.0).backward()
    assert own.grad is not None and own.grad.dtype == dtype
    torch.testing.assert_close(own.grad.double(), wide.grad, rtol=1e-2, atol=1e-3)
