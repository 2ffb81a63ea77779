"""A span settled in one launch becomes what the walk of a processor makes of it, column after column."""

from __future__ import annotations

import os

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optlab.formats.integer_grid import Levels, Zero, fit
from optlab.quantize.hessian import Span, compensate, factor
from optlab.quantize.settling import settle
from tests.quantize.test_hessian import second_moments

os.environ.setdefault("TRITON_INTERPRET", "1")
pytest.importorskip("triton")

from optlab.quantize.settling_triton import settled


@settings(max_examples=8, deadline=None)
@given(
    zero=st.sampled_from(["none", "integer", "float"]), bits=st.integers(2, 8), size=st.sampled_from([16, 64, 100]),
    zeros=st.booleans(), times=st.integers(1, 3), seed=st.integers(0, 99),
)  # fmt: skip
def test_levels_are_those_of_the_walk(zero: Zero, bits: int, size: int, zeros: bool, times: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    W, H = torch.randn(5, 112, generator=generator), second_moments(112, seed)
    fractions = 1 - 0.1 * torch.arange(times)

    def both(span: Span) -> torch.Tensor:
        low, high = span.expected.aminmax(dim=0)
        levels = fit((fractions[:, None] * low).flatten(), (fractions[:, None] * high).flatten(), bits, zero).wide()
        gone = torch.rand(span.weights.shape, generator=generator) < 0.3 if zeros else None
        return same(span, levels, gone, times)

    compensate(W, factor(H, 0.1), size, both)


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 99), size=st.sampled_from([8, 64, 100]))
def test_zeros_are_those_of_the_walk(seed: int, size: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    W, H = torch.randn(5, 112, generator=generator), second_moments(112, seed)
    compensate(
        W, factor(H, 0.1), size,
        lambda span: same(span, None, torch.rand(span.weights.shape, generator=generator) < 0.5, 1),
    )  # fmt: skip


def same(span: Span, levels: Levels | None, gone: torch.Tensor | None, times: int) -> torch.Tensor:
    """The walk's errors for the first choice, after those of the launch were found to be the same."""
    error, codes, cost = settle(span, levels, gone, times)
    found, found_codes, found_cost = settled(span, levels, gone, times)
    if codes is not None:
        # A number half-way between two levels may go either way, and all after it with it.
        agree = (codes == found_codes).all(dim=0)
        assert agree.float().mean() > 0.8
    else:
        agree = torch.ones(error.shape[1], dtype=torch.bool)
    torch.testing.assert_close(found[:, agree], error[:, agree], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found_cost[agree], cost[agree], atol=1e-5, rtol=1e-3)
    return error[:, : span.weights.shape[1]]
