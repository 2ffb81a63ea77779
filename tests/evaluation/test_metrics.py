"""Every metric against scipy or a closed form, and in every measurement from its registry line on."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from optlab.evaluation import metrics
from optlab.evaluation.compare import compare
from optlab.evaluation.metrics import Metric, metric
from tests.evaluation.fakes import random_ids, random_model

NONE = torch.zeros(7, dtype=torch.long)


def distributions() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    p, q = (torch.randn(7, 11, generator=generator).mul(3).log_softmax(1) for _ in range(2))
    return p, q


def test_total_variation_is_what_two_distributions_do_not_share() -> None:
    log_p, log_q = distributions()
    found = metric("total_variation").of(log_p, log_q, NONE)
    shared = np.minimum(log_p.exp().numpy(), log_q.exp().numpy()).sum(1)
    np.testing.assert_allclose(1 - found.numpy(), shared, atol=1e-6)
    assert float(metric("total_variation").of(log_p, log_p, NONE).abs().max()) == 0.0


def test_entropy_change_is_scipys() -> None:
    log_p, log_q = distributions()
    found = metric("entropy_change").of(log_p, log_q, NONE)
    np.testing.assert_allclose(found, entropy(log_q.exp(), axis=1) - entropy(log_p.exp(), axis=1), atol=1e-5)


def test_what_has_no_probability_adds_nothing_to_an_entropy() -> None:
    certain = torch.tensor([[0.0, -torch.inf, -torch.inf]])
    assert float(metric("entropy_change").of(certain, certain, NONE[:1])[0]) == 0.0


def test_every_metric_says_what_it_is() -> None:
    for found in metrics.metrics():
        assert found.title and found.summary and found.source


class FirstChance(Metric):
    name, title, summary, source = "first_chance", "First chance", "Probability of token 0.", "here"

    @staticmethod
    def of(log_p: torch.Tensor, log_q: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return log_q[:, 0].exp()


def test_a_registry_line_is_all_that_a_metric_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "first_chance", sys.modules[__name__])
    monkeypatch.setitem(metrics.REGISTRY, "first_chance", "first_chance:FirstChance")
    model = random_model(0)
    found = {one.name: one for one in compare(model, model, random_ids(64), 16, cache=None).metrics}
    assert set(found) == set(metrics.REGISTRY)
    assert found["total_variation"].mean == 0.0
    assert 0.0 < found["first_chance"].mean < 1.0
    assert found["first_chance"].ci95 is not None
