"""Frontier: without a probe it offers one, with one it answers a question, and what it answers can be proved."""

from __future__ import annotations

import json

import pytest

from optlab.client.client import Client
from tests.pages import samples
from tests.pages.conftest import curve_of, open_page, well, words
from tests.prediction import states


@pytest.fixture
def probed(prepared: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    made = states.Trusting(states.state())
    monkeypatch.setattr(Client, "predictor", lambda self, model, protocol=None: made)
    return prepared


def test_without_a_probe_the_page_offers_one_and_asks_for_it_once(prepared: Client) -> None:
    app = open_page("find_best", shown="At every size")
    assert not app.get("plotly_chart")
    well(next(button for button in app.button if button.label == "Probe this model").click().run())
    assert [samples.asked(run).model for run in prepared.store.list("probe")] == ["nano"]


def test_explore_offers_the_probe_where_nothing_was_predicted(prepared: Client) -> None:
    app = open_page("explore", recipe=samples.as_link(4))
    assert any(button.label == "Probe this model" for button in app.button)
    assert "not measured yet" in json.dumps(curve_of(app), default=str)


def test_the_answer_is_on_the_frontier_and_is_measured_on_demand(probed: Client) -> None:
    app = open_page("find_best", shown="At every size")
    assert app.get("plotly_chart")
    assert "predicted" in words(app)
    well(next(button for button in app.button if button.label.startswith("Prove it")).click().run())
    run = probed.store.list("measure")[0]
    assert samples.asked(run).recipe.steps


def test_a_question_that_cannot_be_met_is_one_sentence(probed: Client) -> None:
    app = open_page("find_best", shown="At every size")
    kind = next(box for box in app.selectbox if box.label == "I want a model that is")
    well(kind.set_value("speed").run())
    well(next(box for box in app.number_input if box.label == "tokens per second").set_value(100_000.0).run())
    assert "use " in app.warning[0].value


def test_what_was_proved_stays_the_answer_and_is_shown_as_measured(probed: Client) -> None:
    app = open_page("find_best", shown="At every size")
    well(next(button for button in app.button if button.label.startswith("Prove it")).click().run())
    run = probed.store.list("measure")[0]
    recipe = samples.asked(run).recipe
    samples.finish(probed, run, samples.measurement(1.04, 3_000_000, 1.0, recipe))
    Client.predictor(probed, "nano").state.anchors.clear()  # another state of knowledge
    well(app.run())
    assert "4.0% worse" in words(app)
    assert not any(button.label.startswith("Prove it") for button in app.button)
    assert ":blue-badge" in words(app)


def test_the_first_question_is_one_at_which_something_is_lost(probed: Client) -> None:
    app = open_page("find_best", shown="At every size")
    assert next(box for box in app.number_input if box.label == "% worse").value == 5.0
