"""Softmax, cross-entropy and perplexity are what their definitions and the library say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from optlab.evaluation.perplexity import perplexity
from optlab.lessons import next_token
from optlab.lessons.weights import Weights
from optlab.models import load
from tests.lessons.conftest import SENTENCE


def test_probabilities_are_the_softmax_of_the_logits_over_temperature(nano: Weights) -> None:
    for temperature in (0.5, 1.0, 3.0):
        found = next_token.choices(nano, SENTENCE, temperature)
        expected = torch.softmax(torch.from_numpy(found.logits.astype(np.float64)) / temperature, -1).numpy()
        np.testing.assert_allclose(found.probabilities, expected, rtol=1e-4)
        assert found.probabilities.sum() == pytest.approx(1.0, abs=1e-4)


def test_temperature_flattens_and_never_reorders(nano: Weights) -> None:
    cold, warm = (next_token.choices(nano, SENTENCE, t) for t in (0.5, 2.0))
    assert cold.entropy() < warm.entropy() < np.log(len(warm.logits))
    assert cold.tokens == warm.tokens


def test_a_certain_answer_costs_nothing_and_a_coin_toss_one_bit() -> None:
    assert next_token.cross_entropy(1.0) == 0.0
    assert next_token.cross_entropy(0.5) == pytest.approx(np.log(2))


def test_perplexity_is_the_one_that_a_measurement_reports(nano: Weights) -> None:
    ids = nano.tokenizer.encode(SENTENCE)
    measured = perplexity(load("nano"), ids, len(ids))
    found = next_token.reading(nano, SENTENCE)
    assert found.perplexity == pytest.approx(measured.ppl, rel=1e-4)
    assert found.running[-1] == pytest.approx(found.perplexity)
    assert len(found.nll) == len(ids) - 1
