"""A token's way: what every stop shows is what transformers computes there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from optlab import paths
from optlab.errors import TextError
from optlab.lessons.journey import CELLS, Journey, journey
from optlab.lessons.weights import Weights
from pages.components.learn import journey as drawn
from tests.lessons.conftest import SENTENCE


@pytest.fixture(scope="module")
def truth(nano: Weights):
    model = AutoModelForCausalLM.from_pretrained(
        paths.ASSETS / "nano", dtype=torch.float32, attn_implementation="eager"
    )
    ids = torch.tensor([nano.tokenizer.encode(SENTENCE)])
    with torch.no_grad():
        return ids[0], model(ids, output_attentions=True, output_hidden_states=True)


@pytest.fixture(scope="module")
def found(nano: Weights) -> Journey:
    return journey(nano, SENTENCE)


def test_the_stops_are_those_of_a_transformer_in_order(nano: Weights, found: Journey) -> None:
    kinds = [(stop.kind, stop.block) for stop in found.stops]
    blocks = [(kind, b) for b in range(nano.blocks) for kind in ("attention", "attended", "neurons", "after")]
    assert kinds == [("embedding", -1), *blocks, ("norm", -1), ("scores", -1), ("chances", -1), ("loss", -1)]


def test_rows_and_sizes_are_the_hidden_states_of_transformers(found: Journey, truth) -> None:
    _, out = truth
    states = [state[0].numpy() for state in out.hidden_states]  # the last one is normed
    shown = [stop for stop in found.stops if stop.kind in ("embedding", "after")][: len(states) - 1]
    for stop, state in zip([*shown, next(one for one in found.stops if one.kind == "norm")], states, strict=True):
        np.testing.assert_allclose(stop.rows, state[:, :CELLS], atol=2e-4)
        np.testing.assert_allclose(stop.sizes, np.sqrt(np.square(state).mean(-1)), rtol=1e-4)


def test_attention_is_that_of_transformers(found: Journey, truth) -> None:
    np.testing.assert_allclose(found.attention, torch.cat(truth[1].attentions).numpy(), atol=2e-5)


def test_answers_are_softmax_and_cross_entropy_of_its_logits(found: Journey, truth) -> None:
    ids, out = truth
    chances = out.logits[0].softmax(-1)
    losses = torch.nn.functional.cross_entropy(out.logits[0, :-1], ids[1:], reduction="none")
    for place, answer in enumerate(found.answers):
        best = chances[place].topk(len(answer.best)).values.numpy()
        np.testing.assert_allclose([chance for _, _, chance in answer.best], best, rtol=1e-3)
        if place + 1 == len(ids):
            assert answer.right is None and answer.loss is None
            continue
        assert answer.right is not None
        assert answer.right[2] == pytest.approx(float(chances[place, ids[place + 1]]), rel=1e-3)
        assert answer.loss == pytest.approx(float(losses[place]), abs=1e-3)


def test_every_stop_has_its_words_and_too_short_a_sentence_is_told(nano: Weights, found: Journey) -> None:
    told = drawn.data(found)
    assert {stop["kind"] for stop in told["stops"]} <= told["kinds"].keys()
    assert all(len(words) == 5 for words in told["kinds"].values())
    with pytest.raises(TextError):
        journey(nano, "a")
