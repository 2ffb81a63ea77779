"""Advisor: a wish is answered with figures and reasons, five questions with what was measured here."""

from __future__ import annotations

import json
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from optlab.advice import candidate
from optlab.advice.proof import proof_of, record
from optlab.client.client import Client
from optlab.jobs import originals
from optlab.prediction.state import place_of
from optlab.protocol import Protocol
from optlab.results.tasks import Difference, Side, TaskResult
from tests.pages import samples
from tests.pages.conftest import open_page, parameter, well, words
from tests.prediction import states


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (candidate, originals):
        monkeypatch.setattr(module, "of_this_machine", lambda recorded: recorded.processor == "a processor")


@pytest.fixture
def worked(prepared: Client) -> Client:
    for bits in (8, 4, 2):
        samples.measured(prepared, bits)
    return prepared


def press(app: AppTest, label: str) -> AppTest:
    return well(next(button for button in app.button if button.label == label).click().run())


def number(app: AppTest, label: str) -> Any:
    return next(box for box in app.number_input if box.label.startswith(label))


def test_without_figures_there_is_no_advice_but_a_goal_to_measure(prepared: Client) -> None:
    app = open_page("find_best")
    assert "no advice" in app.info[0].value
    press(app, "Fits a phone")
    assert samples.asked(prepared.store.list("measure")[0]).recipe.steps[0].values["bits"] == 4


def test_the_answer_is_the_smallest_that_surely_keeps_the_tolerance(worked: Client) -> None:
    app = open_page("find_best")
    said = words(app)
    assert "Recommended: **" in said
    assert "0.20% worse" in said.split("Recommended")[1].split("Five questions")[0]  # 4 bits are 10% worse, 5% asked
    well(number(app, "Quality limit").set_value(20.0).run())
    assert "10.0% worse (95% interval" in words(app)


def test_a_task_suggests_a_tolerance(worked: Client) -> None:
    app = open_page("find_best")
    assert number(app, "Quality limit").value == 5.0
    well(app.selectbox(key="advisor/task").set_value("classify").run())
    assert number(app, "Quality limit").value == 20.0
    assert "5.00 MB on disk, 4.0 x smaller" in words(app)


def test_limits_that_nothing_keeps_are_counted_and_the_nearest_is_shown(worked: Client) -> None:
    app = open_page("find_best")
    well(number(app, "Tokens per second").set_value(5000.0).run())
    assert "None of the 4 known recipes meets all limits" in app.warning[0].value
    assert "Closest (too slow" in words(app)


def test_the_answer_opens_in_explore(worked: Client) -> None:
    app = press(open_page("find_best"), "Open in Explore")
    assert app.title[0].value == "Explore"
    assert json.loads(parameter(app, "recipe"))[0]["quantize"]["bits"] == 8


def test_a_prediction_that_beats_the_measured_is_marked_and_proved_on_demand(prepared: Client) -> None:
    samples.measured(prepared, 8)
    states.with_anchors(states.state(blocks=2), 1.3).save(place_of("f" * 64))
    app = open_page("find_best")
    assert "Possibly better, not measured yet" in words(app)
    assert "90% band" in words(app)
    press(app, "Prove it")
    assert prepared.store.list("measure")[0].status == "queued"


def test_the_question_its_rule_and_the_near_misses_are_told(worked: Client) -> None:
    said = words(open_page("find_best"))
    assert "Which is the smallest that is surely at most 5% worse?" in said
    assert "fewest bytes" in said
    misses = said.split("Near misses")[1].split("Five questions")[0]
    assert "10.0% worse, the limit is 5%" in misses  # 4 bits
    assert "larger" in misses  # the original keeps the limit


def test_a_proof_is_told_beside_the_answer_and_kept_on_record(prepared: Client) -> None:
    states.with_anchors(states.state(blocks=2), 1.3).save(place_of("f" * 64))
    run = samples.measured(prepared, 8)  # what was predicted is written down when it is asked for
    proof = proof_of(prepared.ledger("nano"), samples.quantized(8))
    assert proof is not None
    assert run.done
    app = open_page("find_best")
    assert proof.in_words() in words(app).replace("\\", "")
    assert record(prepared.ledger("nano")) in [box.label for box in app.expander]
    assert any("Inside" in frame.value.columns and len(frame.value) == 1 for frame in app.dataframe)


def test_the_five_questions_are_answered_with_figures_of_this_machine(worked: Client) -> None:
    app = open_page("find_best")
    labels = [box.label for box in app.expander]
    assert labels == [
        "Which model should I choose?", "What resources does it need?", "What happens to the tasks I use it for?",
        "How do I balance speed and quality?", "How do quantization, pruning and distillation differ?",
    ]  # fmt: skip
    tables = "\n".join(frame.value.to_string() for frame in app.dataframe)
    for figure in ("1.9", "20.0 MB", "400 MB", "2.00 ms", "4.00 MB"):
        assert figure in tables
    said = words(app)
    for task in ("Question answering", "Summarization", "Translation", "Sentiment", "Speech recognition"):
        assert task in said
    assert "Measured here: " in said
    assert "Not measured on this model yet" in said  # nobody pruned


def test_a_missing_technique_is_measured_on_demand(worked: Client) -> None:
    app = open_page("find_best")
    well(next(button for button in app.button if button.key.startswith("questions/prune/")).click().run())
    assert samples.asked(worked.store.list("measure")[0]).recipe.steps[0].kind == "prune"


def test_times_of_another_machine_are_not_told_as_this_machines(
    worked: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (candidate, originals):
        monkeypatch.setattr(module, "of_this_machine", lambda recorded: False)
    app = open_page("find_best")
    assert "its speed was not measured on this machine" in words(app)


def test_topics_are_asked_once_and_shown_with_what_flipped(worked: Client) -> None:
    press(open_page("find_best"), "Run the task")
    (run,) = worked.store.list("tasks")
    assert worked.find_task("topics", "nano", samples.asked(run).recipe, Protocol()).id == run.id
    assert worked.find_task("next_sentence", "nano", samples.asked(run).recipe, Protocol()) is None
    samples.finish(worked, run, TaskResult(
        questions=200, always_the_same=0.24, base=Side(score=0.61, ci95=(0.54, 0.675)),
        candidate=Side(score=0.58, ci95=(0.51, 0.646)),
        delta=Difference(score=-0.03, ci95=(-0.062, 0.002), lost=9, won=3),
    ))  # fmt: skip
    app = open_page("find_best")
    table = next(frame.value for frame in app.dataframe if "Accuracy" in frame.value)
    assert table["Accuracy"].tolist() == ["61.0%", "58.0%"]
    assert table["Change"].tolist()[1] == "-3.0 points (-6.2 ... +0.2)"
    assert table["Flipped answers"].tolist()[1] == "9 lost, 3 won"
    assert "would score 24.0%" in words(app)
    assert "News topics: -3.0 points (-6.2 ... +0.2)" in words(app)


def test_a_link_keeps_the_model_and_the_text(worked: Client) -> None:
    app = open_page("find_best", text="bbc-news")
    assert "no advice" in app.info[0].value  # measured on another text
