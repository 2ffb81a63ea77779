"""Distillation losses against closed forms, limits and autograd in float64."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from optlab.distill.losses import attention_kl, forward_kl, hidden_mse, jensen_shannon, layer_map, mixed, reverse_kl


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


def test_reverse_kl_of_two_outcomes_equals_the_closed_form() -> None:
    # p = (3/4, 1/4), q = (1/2, 1/2): KL(q || p) = 1/2 ln(2/3) + 1/2 ln 2
    teacher, student = torch.tensor([[3.0, 1.0]]).log(), torch.zeros(1, 2)
    expected = 0.5 * torch.tensor(2 / 3).log() + 0.5 * torch.tensor(2.0).log()
    torch.testing.assert_close(reverse_kl(student, teacher, 1.0), expected)


def test_reverse_and_forward_kl_meet_at_high_temperature() -> None:
    assert reverse_kl(logits(1), logits(2), 1e3) == pytest.approx(
        forward_kl(logits(1), logits(2), 1e3).item(), rel=1e-2
    )


@given(st.floats(0.25, 20.0), st.integers(0, 50))
def test_jensen_shannon_is_symmetric_and_bounded(temperature: float, seed: int) -> None:
    z, other = 20 * logits(seed), 20 * logits(seed + 1)
    found = jensen_shannon(z, other, temperature)
    assert found == pytest.approx(jensen_shannon(other, z, temperature).item(), rel=1e-9)
    assert 0 <= found <= temperature**2 * (torch.tensor(2.0).double().log() + 1e-9)
    assert jensen_shannon(z, z + 1.0, temperature).abs() < 1e-9 * temperature**2 + 1e-9


def test_jensen_shannon_of_disjoint_answers_is_ln_2() -> None:
    sure, other = torch.tensor([[40.0, -40.0]]).double(), torch.tensor([[-40.0, 40.0]]).double()
    torch.testing.assert_close(jensen_shannon(sure, other, 1.0), torch.tensor(2.0).double().log())


@pytest.mark.parametrize("loss", [reverse_kl, jensen_shannon])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_gradients_are_those_of_autograd(loss, temperature: float) -> None:
    assert torch.autograd.gradcheck(lambda z: loss(z, logits(4), temperature), (logits(3).requires_grad_(),))


def test_the_gradient_of_reverse_kl_is_the_closed_form() -> None:
    # d/dz_i KL(q || p) = q_i ((ln q_i - ln p_i) - KL(q || p)) for q = softmax(z)
    z_s, z_t = logits(5, rows=1).requires_grad_(), logits(6, rows=1)
    reverse_kl(z_s, z_t, 1.0).backward()
    q, difference = z_s.detach().softmax(-1), (z_s.log_softmax(-1) - z_t.log_softmax(-1)).detach()
    torch.testing.assert_close(z_s.grad, q * (difference - (q * difference).sum()))


def test_hidden_states_are_compared_by_a_layer_map_from_the_end() -> None:
    assert layer_map(2, 6) == [2, 5]
    assert layer_map(6, 6) == [0, 1, 2, 3, 4, 5]
    assert layer_map(4, 6)[-1] == 5
    teacher = [torch.full((1, 2, 3), float(i + 1)) for i in range(6)]
    student = [teacher[2].clone(), 1.5 * teacher[5]]
    assert hidden_mse(student, teacher) == pytest.approx(0.25 / 2)  # a quarter of the second's energy, mean of two
    assert torch.autograd.gradcheck(lambda h: hidden_mse([h], [logits(1)[None]]), (logits(2)[None].requires_grad_(),))


def attentions(seed: int, heads: int, blocks: int = 1) -> list[torch.Tensor]:
    """Causal log-attention [1, heads, 5, 5] of so many blocks."""
    later = torch.ones(5, 5).triu(1).bool()
    scores = [logits(seed + i, rows=5 * heads, width=5).view(1, heads, 5, 5) for i in range(blocks)]
    return [x.masked_fill(later, -1e9).log_softmax(-1) for x in scores]


def test_attention_of_two_words_is_compared_by_the_closed_form() -> None:
    # the first word sees itself only; the second looks 3/4 back in the teacher, 1/2 in the student
    teacher = torch.tensor([[[[1.0, 0.0], [0.75, 0.25]]]]).clamp(min=1e-30).log()
    student = torch.tensor([[[[1.0, 0.0], [0.5, 0.5]]]]).clamp(min=1e-30).log()
    expected = (0.75 * torch.tensor(1.5).log() + 0.25 * torch.tensor(0.5).log()) / 2
    torch.testing.assert_close(attention_kl([student], [teacher]), expected)


@given(st.integers(0, 30))
def test_attention_loss_is_zero_only_where_both_look_alike(seed: int) -> None:
    found = attentions(seed, 2, blocks=4)
    assert attention_kl([found[1], found[3]], found).abs() < 1e-12  # a student of the blocks that the map names
    assert attention_kl(attentions(seed + 9, 2), found) > 1e-6


@pytest.mark.parametrize("heads", [2, 1])
def test_gradient_of_the_attention_loss_is_that_of_autograd(heads: int) -> None:
    teacher = attentions(3, 2)

    def loss(scores: torch.Tensor) -> torch.Tensor:
        later = torch.ones(5, 5).triu(1).bool()
        return attention_kl([scores.masked_fill(later, -1e9).log_softmax(-1)], teacher)

    scores = logits(4, rows=5 * heads, width=5).view(1, heads, 5, 5).requires_grad_()
    assert torch.autograd.gradcheck(loss, (scores,))


def test_gradient_of_the_attention_loss_is_the_difference_of_attentions() -> None:
    scores = logits(4, rows=5, width=5).view(1, 1, 5, 5).requires_grad_()
    teacher = attentions(3, 1)
    later = torch.ones(5, 5).triu(1).bool()
    log_q = scores.masked_fill(later, -1e9).log_softmax(-1)
    attention_kl([log_q], teacher).backward()
    torch.testing.assert_close(scores.grad, (log_q.detach().exp() - teacher[0].exp()) / 5)
