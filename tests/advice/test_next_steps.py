"""What is offered next is worth it by the predictor's own figures, and leads to a recipe that fits the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from optlab.advice import next_steps
from optlab.advice.next_steps import NextStep
from optlab.client.client import Client
from optlab.i18n import said
from optlab.prediction.layer_values import BITS, values_of
from optlab.prediction.predictor import Predictor
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step
from tests.pages import samples
from tests.prediction import states
from tests.probed_client import probed_client

NANO = samples.description()


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    return probed_client(tmp_path, monkeypatch)


def steps(client: Client, recipe: Recipe) -> dict[str, NextStep]:
    return {one.name: one for one in next_steps.after(client, NANO, recipe, Protocol())}


def predictor(client: Client) -> Predictor:
    found = client.predictor("nano", Protocol())
    assert found is not None
    return found


def test_protected_layers_get_more_bits_and_the_prediction_gets_better(client: Client) -> None:
    recipe = states.uniform(3, 32)
    protect = steps(client, recipe)["protect"]
    before, after = (values_of(one, NANO, BITS) for one in (recipe, protect.recipe))
    raised = {name for name in before if after[name] > before[name]}
    assert len(raised) == next_steps.PROTECTED
    assert all(after[name] == before[name] for name in before if name not in raised)
    then, now = (predictor(client).predict(one) for one in (protect.recipe, recipe))
    assert then.nll is not None and now.nll is not None and then.nll < next_steps.WORTH * now.nll
    assert said(protect.words).startswith("Protect 3 layers: ")
    protect.recipe.check_fits(NANO.linears, NANO.matrices)


def test_training_is_offered_once_where_something_is_lost(client: Client) -> None:
    recover = steps(client, states.uniform(2, 32))["recover"]
    assert [step.kind for step in recover.recipe.steps] == ["distill", "quantize"]
    assert "recover" not in steps(client, recover.recipe)


def test_a_bit_less_is_offered_where_hardly_anything_is_lost(client: Client) -> None:
    kept = [bits for bits in range(3, 9) if "further" in steps(client, states.uniform(bits, 32))]
    told = {bits: predictor(client).predict(states.uniform(bits, 32)).ppl_ratio or 9.0 for bits in range(3, 9)}
    assert kept == [bits for bits in told if told[bits] < 1.01]
    assert kept, "eight bits lose nothing"
    further = steps(client, states.uniform(8, 32))["further"]
    assert further.recipe.steps[0].values["bits"] == 7
    assert "recover" not in steps(client, states.uniform(8, 32))


def test_where_nothing_is_known_nothing_is_offered(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(steps(client, Recipe.of(Step("quantize", "nf4", {})))) <= {"recover"}
    monkeypatch.setattr(Client, "predictor", lambda self, model, protocol=None: None)
    assert steps(client, states.uniform(3, 32)) == {}
