"""The walk with error feedback against the least-squares solution it must equal, and its factor against the matrix."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from optlab.quantize.hessian import Span, compensate, factor


def second_moments(size: int, seed: int = 0, samples: int = 200) -> Tensor:
    """Mean of x x^T of correlated inputs of very different energies."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(size, size, generator=generator) * torch.rand(size, generator=generator)
    X = torch.randn(samples, size, generator=generator) @ mix
    return X.T @ X / samples


@settings(deadline=None, max_examples=30)
@given(size=st.integers(1, 40), seed=st.integers(0, 1000), damping=st.sampled_from([0.01, 0.1, 1.0]))
def test_factor_is_upper_triangular_and_gives_back_the_damped_matrix(size, seed, damping):
    H = second_moments(size, seed)
    R = factor(H, damping)
    assert torch.equal(R, R.triu())
    expected = H + damping * H.diagonal().mean() * torch.eye(size)
    torch.testing.assert_close(R @ R.T, expected, rtol=1e-4, atol=1e-4 * float(H.diagonal().max()))


@pytest.mark.parametrize("damping", [0.0, 0.01])
@pytest.mark.parametrize(
    "H",
    [torch.zeros(4, 4), torch.ones(4, 4), torch.diag(torch.tensor([1.0, 0.0, 2.0, 0.0])), 1e-30 * torch.ones(3, 3)],
    ids=["no input at all", "all inputs equal", "dead inputs", "tiny"],
)
def test_matrices_without_full_rank_still_have_a_factor(H, damping):
    R = factor(H, damping)
    assert bool(R.isfinite().all())
    assert bool((R.diagonal() > 0).all())


@settings(deadline=None, max_examples=30)
@given(
    columns=st.integers(2, 70), fixed=st.integers(1, 69), span=st.sampled_from([1, 5, 16, 100]), seed=st.integers(0, 99)
)
def test_free_columns_become_the_least_squares_answer_to_those_zeroed(columns, fixed, span, seed):
    """With the first columns set to 0 and the others free, the best others are W_r + W_f H_fr H_rr^-1."""
    fixed = min(fixed, columns - 1)
    H = second_moments(columns, seed, samples=4 * columns)
    W = torch.randn(6, columns, generator=torch.Generator().manual_seed(seed))

    def settle(part: Span) -> Tensor:
        error, _ = part.walk(lambda i, target: torch.zeros_like(target) if part.begin + i < fixed else target)
        return error

    Q = W - compensate(W, factor(H, 0.01), span, settle)
    damped = (H + 0.01 * H.diagonal().mean() * torch.eye(columns)).double()
    best = (
        W[:, fixed:]
        + (W[:, :fixed].double() @ torch.linalg.solve(damped[fixed:, fixed:], damped[fixed:, :fixed]).T).float()
    )
    assert not bool(Q[:, :fixed].any())
    torch.testing.assert_close(Q[:, fixed:], best, rtol=2e-3, atol=2e-3)


@settings(deadline=None, max_examples=30)
@given(columns=st.integers(1, 50), span=st.sampled_from([1, 7, 20, 64]), seed=st.integers(0, 99))
def test_costs_of_the_columns_add_up_to_the_error_of_the_output(columns, span, seed):
    H = second_moments(columns, seed)
    W = torch.randn(5, columns, generator=torch.Generator().manual_seed(seed))
    costs = []

    def settle(part: Span) -> Tensor:
        error, cost = part.walk(lambda i, target: target.round())
        costs.append(cost)
        return error

    E = compensate(W, factor(H, 0.02), span, settle)
    damped = H + 0.02 * H.diagonal().mean() * torch.eye(columns)
    torch.testing.assert_close(sum(costs), ((E @ damped) * E).sum(1), rtol=1e-3, atol=1e-4)


def test_lanes_side_by_side_are_walked_as_if_alone():
    H, W = second_moments(24), torch.randn(3, 24, generator=torch.Generator().manual_seed(1))
    steps = [0.5, 0.25]
    alone = []
    for step in steps:
        E = compensate(W, factor(H, 0.01), 24, lambda part, s=step: part.walk(lambda i, t: (t / s).round() * s)[0])
        alone.append(E.T)

    def both(part: Span) -> Tensor:
        step = torch.tensor(steps).repeat_interleave(3)
        error, _ = part.repeated(2).walk(lambda i, target: (target / step).round() * step)
        torch.testing.assert_close(error, torch.cat(alone, dim=1))
        return error[:, :3]

    compensate(W, factor(H, 0.01), 24, both)


@pytest.mark.parametrize("begin", [8, 24])
def test_a_later_span_expects_the_least_squares_answer_to_what_was_settled_before(begin):
    H, W = second_moments(32), torch.randn(3, 32, generator=torch.Generator().manual_seed(2))
    seen = {}

    def settle(part: Span) -> Tensor:
        seen[part.begin] = part.expected
        return part.walk(lambda i, target: target.round())[0]

    E = compensate(W, factor(H, 0.02), 8, settle)[:, :begin].double()
    damped = (H + 0.02 * H.diagonal().mean() * torch.eye(32)).double()
    inside, open_ = slice(begin, begin + 8), slice(begin, 32)
    best = W[:, open_] + E @ torch.linalg.solve(damped[open_, open_], damped[open_, :begin]).T
    torch.testing.assert_close(seen[begin].T, best[:, : inside.stop - begin].float(), rtol=2e-3, atol=2e-3)
