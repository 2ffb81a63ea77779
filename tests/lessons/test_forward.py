"""The lessons' pass through a Transformer is the one that transformers computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from optlab import paths
from optlab.errors import TextError
from optlab.lessons import attention, forward, next_token
from optlab.lessons.weights import Weights
from tests.lessons.conftest import SENTENCE


@pytest.fixture(scope="module")
def truth(nano: Weights):
    model = AutoModelForCausalLM.from_pretrained(
        paths.ASSETS / "nano", dtype=torch.float32, attn_implementation="eager"
    )
    with torch.no_grad():
        return model(torch.tensor([nano.tokenizer.encode(SENTENCE)]), output_attentions=True, output_hidden_states=True)


def test_attention_of_every_head_equals_that_of_transformers(nano: Weights, truth) -> None:
    found = attention.walk(nano, SENTENCE)
    expected = torch.cat(truth.attentions).numpy()
    assert found.attention.shape == expected.shape
    np.testing.assert_allclose(found.attention, expected, atol=2e-5)


def test_every_row_of_attention_sums_to_one_and_never_looks_ahead(nano: Weights) -> None:
    found = attention.walk(nano, SENTENCE).attention
    np.testing.assert_allclose(found.sum(-1), 1.0, atol=1e-5)
    assert not np.triu(found, 1).any()
    assert (found[..., 1:, :] < 1).all()


def test_logits_and_the_stream_between_blocks_equal_those_of_transformers(nano: Weights, truth) -> None:
    found = forward.trace(nano, nano.tokenizer.encode(SENTENCE))
    np.testing.assert_allclose(found.logits, truth.logits[0].numpy(), atol=2e-3)
    for block, expected in zip(found.blocks, truth.hidden_states[:-1], strict=True):
        np.testing.assert_allclose(block.before, expected[0].numpy(), atol=2e-3)


def test_a_norm_brings_every_token_to_the_same_size_before_its_weight() -> None:
    x = np.random.default_rng(0).normal(size=(5, 64)) * np.array([[0.1], [1.0], [7.0], [30.0], [200.0]])
    normed = forward.norm(x, np.ones(64), 0.0)
    np.testing.assert_allclose(np.square(normed).mean(-1), 1.0)


def test_the_last_guesses_are_the_models_answer(nano: Weights) -> None:
    found = attention.walk(nano, SENTENCE)
    answer = next_token.choices(nano, SENTENCE)
    token, probability = found.guesses[-1][-1][0]
    assert token == answer.tokens[0]
    assert probability == pytest.approx(float(answer.probabilities[0]), rel=1e-4)


def test_a_text_without_a_second_token_is_refused_in_words(nano: Weights) -> None:
    with pytest.raises(TextError, match="1 tokens; write between 2 and 64"):
        attention.walk(nano, "To")
    with pytest.raises(TextError, match="between 2 and 64"):
        attention.walk(nano, "word " * 200)
