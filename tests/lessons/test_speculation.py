"""Speculative decoding: what is kept is one minus the total variation, and what is written is the target's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from optlab.evaluation.metrics.total_variation import TotalVariation
from optlab.lessons import forward, speculation, temperature
from optlab.lessons.weights import Array, Weights
from tests.lessons.conftest import SENTENCE

chance = arrays.arrays(np.float64, 12, elements=st.floats(0.001, 1)).map(lambda x: x / x.sum())


@pytest.fixture(scope="module")
def draft(nano: Weights) -> Weights:
    return temperature.student(nano, 3)


def test_a_drafted_token_is_kept_as_often_as_the_metric_says(nano: Weights, draft: Weights) -> None:
    found = speculation.agreement(nano, draft, SENTENCE)
    ids = nano.tokenizer.encode(SENTENCE)
    p, q = (torch.from_numpy(forward.trace(model, ids).logits).double().log_softmax(-1) for model in (nano, draft))
    moved = TotalVariation.of(p, q, torch.tensor(ids))
    np.testing.assert_allclose(found.accepted, 1 - moved.numpy(), atol=1e-6)
    assert 0 < found.acceptance < 1


@given(chance, chance)
def test_whatever_the_draft_is_the_target_speaks(p: Array, q: Array) -> None:
    kept = q * np.minimum(1, p / q)
    written = kept + (1 - kept.sum()) * speculation.left_over(p, q)
    np.testing.assert_allclose(written, p, atol=1e-9)


@given(st.floats(0, 0.999), st.integers(1, 12))
def test_tokens_per_pass_is_the_closed_form_of_the_paper(alpha: float, drafted: int) -> None:
    expected = (1 - alpha ** (drafted + 1)) / (1 - alpha)
    assert speculation.tokens_per_pass(alpha, drafted) == pytest.approx(expected)
    assert speculation.speedup(alpha, drafted, 0.0) == pytest.approx(expected)
    assert speculation.speedup(alpha, drafted, 1.0) <= 1 + 1e-9  # a draft as slow as the target saves nothing


def test_a_draft_that_is_the_target_is_always_kept(nano: Weights) -> None:
    ids = nano.tokenizer.encode(SENTENCE)
    found = speculation.write(nano, nano, ids, 10, 4, 1.0, seed=0)
    assert found.passes == 2
    assert found.drafted == [True, True, True, True, False] * 2


def test_what_is_written_holds_together(nano: Weights, draft: Weights) -> None:
    ids = nano.tokenizer.encode(SENTENCE)
    one, other = (speculation.write(nano, draft, ids, 12, 3, 1.0, seed=1) for _ in range(2))
    assert one == other
    assert len(one.ids) == len(one.drafted) >= 12
    assert one.drafted.count(False) == one.passes


def test_a_copy_with_nothing_changed_costs_as_much_and_one_on_fewer_bits_less(nano: Weights) -> None:
    same, cost = speculation.draft(nano, 16, 0)
    assert cost == 1.0
    assert speculation.agreement(nano, same, SENTENCE).acceptance == pytest.approx(1.0)
    costs = [speculation.draft(nano, bits, dropped)[1] for bits, dropped in ((8, 0), (4, 0), (4, 3))]
    assert 1.0 > costs[0] > costs[1] > costs[2] > 0.2  # the head alone is a fifth of nano


@pytest.mark.slow
def test_the_first_token_is_drawn_as_the_target_draws(nano: Weights, draft: Weights) -> None:
    """Chi-squared over the likeliest tokens: 1,500 continuations against the target's own chances."""
    from scipy.stats import chisquare

    ids = nano.tokenizer.encode("ROMEO:\n")
    p = speculation.chances(nano, ids, 0.5)[-1]
    first = [speculation.write(nano, draft, ids, 1, 1, 0.5, seed=seed).ids[0] for seed in range(1500)]
    often = np.flatnonzero(p * len(first) >= 10)
    counts = np.asarray([first.count(int(token)) for token in often])
    expected = p[often] * len(first)
    rest = len(first) - counts.sum(), len(first) - expected.sum()
    assert chisquare([*counts, rest[0]], [*expected, rest[1]]).pvalue > 1e-4
