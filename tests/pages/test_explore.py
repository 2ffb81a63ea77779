"""Explore: knobs from declarations, a measurement asked for once, figures as the store has them, nothing invented."""

from __future__ import annotations

import json
import re

import pytest

from optlab.client import expectations
from optlab.client.client import Client
from optlab.methods import REGISTRY
from optlab.presets import PRESETS, Preset
from optlab.protocol import Protocol
from optlab.texts.text import load
from pages.components.explore import layers_view, panel
from pages.components.shared import knobs
from tests.pages import samples
from tests.pages.conftest import BOXES, curve_of, here, open_page, parameter, standing, turn, well, words

FOUR_BITS = json.dumps(samples.quantized(4).to_dict()["steps"])


def test_an_unmeasured_recipe_says_so_and_shows_no_number(prepared: Client) -> None:
    app = open_page("explore", recipe=FOUR_BITS)
    cell = here(app, 4)
    assert [tile["headline"] for tile in cell["tiles"]] == ["not measured yet"] * 3
    assert cell["point"] is None and "not been probed" in cell["reason"]
    assert standing(app)["side"] == "unknown"
    assert not [chart for chart in app.get("plotly_chart") if "about/bytes" not in chart.proto.id]


def test_the_stops_of_bits_come_from_the_declaration_and_end_with_the_original(prepared: Client) -> None:
    drawn = curve_of(open_page("explore", recipe=FOUR_BITS))
    assert [stop["value"] for stop in drawn["bits"]["stops"]] == [2, 3, 4, 5, 6, 7, 8, None]
    assert drawn["bits"]["stops"][-1]["label"] == "32"  # as this model is stored
    assert drawn["stands"] == {"bits": 4, "sparsity": 0.0, "temperature": None}


def test_a_knob_takes_its_step_in_and_out_and_the_step_comes_back_as_it_was(prepared: Client) -> None:
    steps = [{"prune": {"method": "wanda", "sparsity": 0.3}}, {"quantize": {"bits": 4, "group_size": 32}}]
    app = open_page("explore", recipe=json.dumps(steps))
    turn(app, None, 0.0)
    assert "recipe" not in app.query_params
    assert not app.toggle(key="knob/quantize/on").value and not app.toggle(key="knob/prune/on").value
    turn(app, 3, 0.5)
    pruned, quantized = json.loads(parameter(app, "recipe"))
    assert (pruned["prune"]["method"], pruned["prune"]["sparsity"]) == ("wanda", 0.5)
    assert (quantized["quantize"]["group_size"], quantized["quantize"]["bits"]) == (32, 3)
    assert app.toggle(key="knob/quantize/on").value and app.toggle(key="knob/prune/on").value


def test_training_is_switched_on_beside_its_temperature(prepared: Client) -> None:
    app = open_page("explore", recipe=FOUR_BITS)
    assert not curve_of(app)["training"]
    turn(app, 4, 0.0, 3.0)
    trained, _quantized = json.loads(parameter(app, "recipe"))
    assert trained["distill"]["temperature"] == 3.0
    assert curve_of(app)["training"]


def test_what_else_changes_the_recipe_puts_the_knobs_there(prepared: Client) -> None:
    app = open_page("explore", recipe=FOUR_BITS)
    before = curve_of(app)
    well(app.toggle(key="knob/prune/on").set_value(True).run())
    after = curve_of(app)
    assert after["stands"] == {"bits": 4, "sparsity": 0.5, "temperature": None}
    assert after["token"] != before["token"]


def test_another_method_keeps_where_the_knob_stands(prepared: Client) -> None:
    app = open_page("explore", recipe=json.dumps(samples.quantized(6).to_dict()["steps"]))
    well(app.selectbox(key="knob/quantize/method").set_value("gptq").run())
    (step,) = json.loads(parameter(app, "recipe"))
    assert (step["quantize"]["method"], step["quantize"]["bits"]) == ("gptq", 6)


def test_a_measured_stop_shows_the_measurement(prepared: Client) -> None:
    samples.measured(prepared, 4)
    app = open_page("explore", recipe=FOUR_BITS)
    cell = here(app, 4)
    assert cell["side"] == "measured" and cell["point"]["ratio"] == 1.10
    assert [tile["headline"] for tile in cell["tiles"]] == ["10.0% worse", "4.0 x smaller", "2.0 x faster"]
    assert [dot["point"]["size"] for dot in curve_of(app)["dots"]] == [5_000_000]
    assert here(app, 5)["side"] == "unknown"


def test_a_recipe_beyond_three_knobs_is_a_strip_of_its_layers_with_a_way_to_edit_it(prepared: Client) -> None:
    app = open_page("explore", recipe='[{"quantize":{"method":"nf4"}}]')
    assert curve_of(app) is None and not app.code
    (strip,) = [html.proto.body for html in app.get("html") if "Bits and zeros" in html.proto.body]
    assert strip.count("<span") == len(samples.description().linears)
    well(app.button(key="beyond/edit").click().run())
    assert [tab.label for tab in app.tabs if tab.children] == ["Layers"]
    assert app.session_state[layers_view.KEY] == "bits"
    well(app.button(key="beyond/again").click().run())
    assert curve_of(app)["stands"]["bits"] is None


def test_group_sizes_are_those_that_divide_every_width_of_the_model(prepared: Client) -> None:
    app = open_page("explore", recipe=FOUR_BITS)
    offered = app.selectbox(key="knob/quantize/rtn/group_size").options
    assert offered == ["one per row (per channel)", "32", "64", "96", "192"]


def test_measure_submits_what_the_knobs_say(prepared: Client) -> None:
    app = open_page("explore", recipe=FOUR_BITS)
    app.selectbox(key="knob/quantize/rtn/group_size").set_value(32)
    well(app.run())
    turn(app, 3)
    well(app.button(key="explore/measure").click().run())
    (run,) = prepared.store.list(kind="measure")
    step = samples.asked(run).recipe.steps[0]
    assert (step.values["bits"], step.values["group_size"]) == (3, 32)
    assert samples.asked(run).protocol.text == "shakespeare"


def test_pressing_measure_twice_makes_one_run(prepared: Client) -> None:
    app = open_page("explore", recipe=FOUR_BITS)
    well(app.button(key="explore/measure").click().run())
    well(app.button(key="explore/measure").click().run())
    assert len(prepared.store.list(kind="measure")) == 1


def test_a_button_says_what_it_takes_until_it_has_been_taken(prepared: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def label() -> str:
        return str(open_page("explore", recipe=FOUR_BITS).button(key="explore/measure").label)

    worth_saying = 1.0
    monkeypatch.setattr(expectations, "WORTH_SAYING_S", worth_saying)
    assert re.fullmatch(r"Measure \(about \d+ s, \d+ MB RAM\)", label())
    monkeypatch.setattr(expectations, "WORTH_SAYING_S", 1e9)
    assert label() == "Measure"
    monkeypatch.setattr(expectations, "WORTH_SAYING_S", worth_saying)
    samples.measured(prepared, 4)
    assert label() == "Measure"


def test_figures_on_the_page_are_those_of_the_store(prepared: Client) -> None:
    samples.measured(prepared, 4)
    text = words(open_page("explore", recipe=FOUR_BITS))
    assert "10.0% worse" in text
    assert "+8.9% to +11.1%" in text
    assert "4.0 x smaller" in text
    assert "20.0 MB" in text
    assert "5.00 MB" in text
    assert "2.0 x faster" in text


def test_a_running_measurement_shows_its_figures_so_far(prepared: Client) -> None:
    samples.running(prepared, 6)
    app = open_page("explore", recipe=json.dumps(samples.quantized(6).to_dict()["steps"]))
    text = words(app)
    assert "5.0% worse" in text
    assert "so far" in text
    assert "8 of 16 windows" in text
    assert text.count("not measured yet") == 2  # size and latency come later in the run
    app.button(key=f"measure/{prepared.store.list('measure')[0].id}/cancel").click().run()
    assert prepared.store.cancel_requested(prepared.store.list("measure")[0].id)


def test_a_failed_run_says_why_and_can_be_retried(prepared: Client) -> None:
    run = samples.failed(prepared)
    app = open_page("explore", recipe=json.dumps(samples.quantized(3).to_dict()["steps"]))
    assert "ask for fewer" in app.error[0].value
    well(app.button(key=f"measure/{run.id}/retry").click().run())
    assert prepared.store.get(run.id).status == "queued"


def test_a_broken_recipe_in_the_link_is_one_sentence(prepared: Client) -> None:
    app = open_page("explore", recipe='[{"quantize": {"bits": 99}}]')
    assert "2 to 8" in app.warning[0].value


def test_a_group_size_that_does_not_divide_is_named_and_replaced(prepared: Client) -> None:
    recipe = json.dumps([{"quantize": {"method": "rtn", "bits": 4, "group_size": 128}}])
    app = open_page("explore", recipe=recipe)
    assert "does not divide" in app.warning[0].value
    assert app.selectbox(key="knob/quantize/rtn/group_size").value == 64


def test_a_recipe_that_the_knobs_cannot_show_is_kept(prepared: Client) -> None:
    steps = [{"quantize": {"bits": 4, "group_size": 64}}, {"prune": {"sparsity": 0.5}}]
    app = open_page("explore", recipe=json.dumps(steps))
    well(app.button(key="explore/measure").click().run())
    (run,) = prepared.store.list(kind="measure")
    assert [step.kind for step in samples.asked(run).recipe.steps] == ["quantize", "prune"]


def test_switching_a_knob_on_adds_its_step(prepared: Client) -> None:
    app = open_page("explore", recipe=FOUR_BITS)
    well(app.toggle(key="knob/prune/on").set_value(True).run())
    steps = json.loads(parameter(app, "recipe"))
    assert [next(iter(step)) for step in steps] == ["prune", "quantize"]


def test_the_link_holds_the_settings_of_the_measurement(prepared: Client) -> None:
    protocol = Protocol(tokens=1024, latency=False)
    samples.measured(prepared, 4, protocol)
    text = words(open_page("explore", shown="Recipe and export", recipe=FOUR_BITS, tokens="1024", latency="false"))
    assert "10.0% worse" in text
    assert "--tokens 1024" in text
    assert "--no-latency" in text


def test_the_command_line_reproduces_the_page(prepared: Client) -> None:
    shown = words(open_page("explore", shown="Recipe and export", recipe=FOUR_BITS))
    assert "python -m optlab measure nano --recipe recipe.yaml --json" in shown


def test_text_by_both_asks_for_one_generation(prepared: Client) -> None:
    app = open_page("explore", recipe=FOUR_BITS)
    well(app.button(key="writing/go").click().run())
    (run,) = prepared.store.list(kind="generate")
    prepared.store.claim("worker-1-1")
    state = {"tokens": 4, "tokens_per_second": 9.0}
    states = {side: {"text": f" words of {side}", **state} for side in ("base", "candidate")}
    prepared.store.report(run.id, 0.7, "token 4 of 64", states)
    app.run()
    shown = "\n".join(element.proto.body for element in well(app).get("html"))
    assert "words of base" in shown
    assert "words of candidate" in shown


def test_an_unknown_model_shows_no_exception(client: Client) -> None:
    app = open_page("explore", model="no/such model\x00")
    assert not app.exception


def test_a_pasted_recipe_is_used(prepared: Client) -> None:
    app = open_page("explore", shown="Recipe and export", recipe=FOUR_BITS)
    app.text_area(key="recipe/pasted").set_value("steps:\n  - quantize: {bits: 3}")
    well(next(button for button in app.button if button.label == "Use what I pasted").click().run())
    (step,) = json.loads(parameter(app, "recipe"))
    assert step["quantize"]["bits"] == 3


def test_a_pasted_recipe_that_is_none_is_one_sentence(prepared: Client) -> None:
    app = open_page("explore", shown="Recipe and export", recipe=FOUR_BITS)
    app.text_area(key="recipe/pasted").set_value("steps: [quantise: {}]")
    well(next(button for button in app.button if button.label == "Use what I pasted").click().run())
    assert "use prune, quantize" in app.error[0].value
    (step,) = json.loads(parameter(app, "recipe"))
    assert step["quantize"]["bits"] == 4


def test_a_pasted_text_is_what_the_next_measurement_reads(prepared: Client) -> None:
    app = open_page("explore", recipe=FOUR_BITS)
    app.text_area(key="own text/area").set_value("It was a dark and stormy night. " * 50)
    well(next(button for button in app.button if button.label == "Use this text").click().run())
    name = parameter(app, "text")
    assert load(name).documents[0].startswith("It was a dark and stormy night.")
    well(app.button(key="explore/measure").click().run())
    (run,) = prepared.store.list(kind="measure")
    assert samples.asked(run).protocol.text == name
    assert samples.asked(run).protocol.calibration == "shakespeare"


def test_an_empty_own_text_changes_nothing(prepared: Client) -> None:
    app = open_page("explore", recipe=FOUR_BITS)
    well(next(button for button in app.button if button.label == "Use this text").click().run())
    assert "text" not in app.query_params
    assert "empty" in app.toast[0].value


def test_every_kind_of_step_has_its_knobs() -> None:
    assert set(knobs.ORDER) == set(knobs.DRAWN) == set(REGISTRY)
    for kind in REGISTRY:
        assert knobs.title(kind)
        assert knobs.meaning(kind)
        assert knobs.icon(kind).startswith(":material/")


def test_what_is_closed_is_not_worked_out(prepared: Client) -> None:
    samples.measured(prepared, 4)
    shut, open_ = (open_page("explore", boxes=boxes, recipe=FOUR_BITS) for boxes in ((), BOXES))
    assert len(shut.dataframe) < len(open_.dataframe)
    assert len(shut.expander) < len(open_.expander)
    assert "python -m optlab measure" not in words(open_)
    assert "python -m optlab measure" in words(open_page("explore", shown="Recipe and export", recipe=FOUR_BITS))
    assert "10.0% worse" in words(shut)


def test_the_verdict_is_one_sentence_about_the_recipe_on_the_page(prepared: Client) -> None:
    samples.measured(prepared, 4)
    app = open_page("explore", recipe=FOUR_BITS)
    assert standing(app)["verdict"] == here(app, 4)["verdict"] == "4.0 x smaller, 2.0 x faster, 10.0% worse."
    original = standing(open_page("explore"))
    assert original["verdict"] == "This is the original; move a knob to see what it would become."
    assert original["tiles"][1]["headline"] == "20.0 MB"  # known without any probe


def test_undo_goes_back_step_by_step_and_history_to_any_of_them(prepared: Client) -> None:
    app = open_page("explore", recipe=FOUR_BITS)
    assert app.button(key="history/undo").disabled
    turn(app, 3)
    turn(app, 2)
    well(app.button(key="history/undo").click().run())
    assert curve_of(app)["stands"]["bits"] == 3
    turn(app, 8)
    well(app.button(key="history/0").click().run())
    assert curve_of(app)["stands"]["bits"] == 4
    assert app.button(key="history/undo").disabled


def test_embedding_and_head_come_along_where_they_are_a_good_part(
    prepared: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not [toggle for toggle in open_page("explore", recipe=FOUR_BITS).toggle if toggle.key == "explore/words"]
    monkeypatch.setattr(panel, "MANY", 0.0)
    app = open_page("explore", recipe=FOUR_BITS)
    well(app.toggle(key="explore/words").set_value(True).run())
    (step,) = json.loads(parameter(app, "recipe"))
    assert step["layers"] == ".*" and app.toggle(key="explore/words").value
    turn(app, 3)
    assert json.loads(parameter(app, "recipe"))[0]["layers"] == ".*"
    well(app.toggle(key="explore/words").set_value(False).run())
    assert "layers" not in json.loads(parameter(app, "recipe"))[0]


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_every_goal_stands_on_the_knobs(prepared: Client, preset: Preset) -> None:
    app = open_page("explore", recipe=FOUR_BITS)
    well(app.button(key=f"goals/row/{preset.name}").click().run())
    assert curve_of(app)["stands"]["bits"] == preset.parts[0].values["bits"]
    assert not app.button(key="explore/measure").disabled


def test_training_is_asked_for_twice(prepared: Client) -> None:
    app = open_page("explore", recipe=FOUR_BITS)
    turn(app, 4, 0.0, 2.0)
    well(app.button(key="explore/measure").click().run())
    assert not prepared.store.list(kind="measure")
    well(app.button(key="training/start").click().run())
    (run,) = prepared.store.list(kind="measure")
    assert [step.kind for step in samples.asked(run).recipe.steps] == ["distill", "quantize"]
