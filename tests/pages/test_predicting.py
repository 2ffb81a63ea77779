"""Explore and Frontier on a probed model: answers before anything ran, and measurements that nobody had to ask for."""

from __future__ import annotations

import json
import time

import pytest

from optlab.client.client import Client
from optlab.figures import costs as cost_figure
from optlab.figures import frontier as frontier_figure
from optlab.figures import positions
from optlab.figures.positions import Position
from optlab.prediction.costs import Cost, costs
from optlab.prediction.frontier import Point
from optlab.prediction.interaction import Interaction, interaction, trio
from optlab.prediction.predictor import Prediction, Predictor
from optlab.prediction.state import place_of
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step
from pages.components.explore import automatic
from tests.pages import samples
from tests.pages.conftest import curve_of, here, open_page, parameter, turn, well, words
from tests.prediction import states


@pytest.fixture
def probed(prepared: Client) -> Client:
    states.with_anchors(states.state(blocks=2), 1.3).save(place_of("f" * 64))
    return prepared


def test_a_moved_knob_is_answered_before_anything_ran(probed: Client) -> None:
    app = open_page("explore", recipe=samples.as_link(4))
    drawn = curve_of(app)
    quality, size, speed = here(app, 4)["tiles"]
    assert "90% band" in quality["interval"] and "smaller" in size["headline"]
    assert speed["headline"] == "not measured yet"  # nothing was timed
    assert here(app, 2)["point"]["ratio"] > here(app, 4)["point"]["ratio"]
    turn(app, 2)
    assert curve_of(app) == drawn, "nothing comes back that could undo a key pressed meanwhile"
    assert '"bits":2' in parameter(app, "recipe")
    assert not probed.store.list("measure")


def test_what_a_link_brought_is_not_measured_by_itself(probed: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automatic, "REST_S", 0.0)
    app = open_page("explore", recipe=samples.as_link(4))
    well(app.run())
    assert not probed.store.list("measure")


def test_knobs_at_rest_are_measured_and_what_they_left_behind_is_stopped(
    probed: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(automatic, "REST_S", 0.05)
    app = open_page("explore", recipe=samples.as_link(4))
    for value in (3, 2):
        turn(app, value)
        time.sleep(0.1)
        well(app.run())
    runs = {samples.asked(run).recipe.steps[0].values["bits"]: run.status for run in probed.store.list("measure")}
    assert runs.pop(2) == "queued"
    assert runs in ({3: "cancelled"}, {})  # what nobody asked for is stopped, and a moment later leaves no trace
    assert "90% band" in words(app)  # the prediction stays until the figure is there


def test_switched_off_nothing_is_measured_by_itself(probed: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automatic, "REST_S", 0.0)
    app = open_page("explore", recipe=samples.as_link(4))
    switch = next(toggle for toggle in app.toggle if toggle.label == "Measure automatically")
    assert switch.value  # nano is measured in seconds
    well(switch.set_value(False).run())
    turn(app, 3)
    well(app.run())
    assert not probed.store.list("measure")


@pytest.mark.parametrize(("training", "begun"), [([], 1), ([{"distill": {"steps": 100}}], 0)])
def test_training_does_not_start_by_itself(
    probed: Client, monkeypatch: pytest.MonkeyPatch, training: list[object], begun: int
) -> None:
    monkeypatch.setattr(automatic, "REST_S", 0.0)
    app = open_page("explore", recipe=samples.as_link(4))
    app.query_params["recipe"] = json.dumps([*training, *samples.quantized(3).to_dict()["steps"]])
    for _ in range(2):
        well(app.run())
    assert len(probed.store.list("measure")) == begun
    assert ("does not start by itself" in words(app)) == bool(training)


def test_what_began_by_itself_and_was_then_asked_for_is_not_stopped(
    probed: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(automatic, "REST_S", 0.0)
    app = open_page("explore", recipe=samples.as_link(4))
    turn(app, 3)
    well(app.run())
    (run,) = probed.store.list("measure")
    well(app.button(key="explore/measure").click().run())
    turn(app, 2)
    well(app.run())
    assert {one.id: one.status for one in probed.store.list("measure")}[run.id] == "queued"


def test_the_last_five_positions_stay_and_the_same_recipe_only_takes_new_figures() -> None:
    def at(name: str, side: str = "predicted") -> Position:
        return Position(name, name, 1e6, 1.1, 1.0, 1.2, side)

    found: list[Position] = []
    for name in "abcdefgg":
        found = positions.visited(found, at(name))
    assert [one.recipe for one in found] == list("bcdefg")
    found = positions.visited(found, at("g", "measured"))
    assert [one.side for one in found] == ["predicted"] * 5 + ["measured"]
    drawn = positions.chart(found)
    ghosts, now = (trace for trace in drawn.data if trace.mode == "markers")
    opacities = [*ghosts.marker.opacity, *now.marker.opacity]
    assert opacities == sorted(opacities) and opacities[-1] == 1.0 > opacities[0]
    assert [row[0] for row in (*ghosts.customdata, *now.customdata)] == list("bcdefg")
    assert ghosts.error_y.array is None and now.error_y.array[0] == pytest.approx(0.1)
    assert len(positions.chart(found[-1:]).data) == 2, "a point alone has no ghosts"


def test_costs_of_layers_add_up_to_the_prediction_and_a_layer_left_alone_costs_nothing() -> None:
    predictor = Predictor(states.with_anchors(states.state(), 1.3))
    recipe = states.uniform(3, 32)
    told = predictor.predict(recipe)
    found = costs(predictor, recipe)
    assert sum(one.nll for one in found) == pytest.approx(told.nll)
    assert all(one.saved > 0 for one in found)
    part = Recipe.of(Step("quantize", "rtn", {"bits": 3, "group_size": 32}, r"model\.layers\.1\."))
    assert {one.block for one in costs(predictor, part) if one.nll > 0} == {1}
    assert {one.block for one in costs(predictor, part) if one.per_megabit is None} == {0, 2}
    assert costs(predictor, Recipe.of(Step("quantize", "nf4", {}))) == []


def test_the_dearest_layer_is_the_one_whose_bits_cost_most() -> None:
    found = [Cost("big", 0, 0.3, 8e6), Cost("small", 0, 0.2, 1e6), Cost("whole", 1, 0.0, 0.0)]
    assert [one.name for one in cost_figure.worst(found, "per_megabit")] == ["small", "big"]
    assert [one.name for one in cost_figure.worst(found, "nll", 1)] == ["big"]


def test_a_pair_is_measured_by_three_recipes_and_its_interaction_is_what_lies_beyond_the_sum() -> None:
    names = states.state().names
    recipe = Recipe.of(
        Step("prune", "magnitude", {"sparsity": 0.5}, r"model\.layers\.0\."), Step("quantize", "rtn", {"bits": 3})
    )
    first, second, both = trio(recipe, names[0], names[3])
    assert [step.kind for step in first.steps] == ["prune", "quantize"]
    assert [step.kind for step in second.steps] == ["quantize"]
    for one, treated in ((first, {names[0]}), (second, {names[3]}), (both, {names[0], names[3]})):
        assert {name for name in names if one.steps[-1].matches(name)} == treated

    found = interaction([0.1, 0.2, 0.37])
    assert found == Interaction(0.1, 0.2, 0.37)
    assert found.excess == pytest.approx(0.07)
    assert found.relative_excess == pytest.approx(0.07 / 0.3)
    assert Interaction(0.0, 0.0, 0.0).relative_excess == 0.0
    assert interaction([0.1, None, 0.37]) is None


def test_measuring_a_pair_asks_for_three_runs(probed: Client) -> None:
    app = open_page("explore", shown="Layers", part="sensitivity", recipe=samples.as_link(4))
    well(next(button for button in app.button if button.label == "Measure the pair").click().run())
    recipes = [samples.asked(run).recipe for run in probed.store.list("measure")]
    assert sorted(len(recipe.steps) for recipe in recipes) == [1, 1, 1]
    assert len({recipe.content_hash for recipe in recipes}) == 3


def test_points_chosen_on_the_chart_are_those_that_the_event_names() -> None:
    recipe = Recipe()
    points = [Point(recipe, Prediction("nano", recipe, None, 10, nll)) for nll in (None, 0.2, 0.1)]
    event = {"selection": {"points": [{"customdata": 1}, {"customdata": [0]}, {"x": 3.0}, {"customdata": 7}]}}
    assert frontier_figure.selected(points, event) == [1, 2]
    assert frontier_figure.selected(points, {}) == []


def test_the_frontier_shows_what_is_being_measured(probed: Client) -> None:
    probed.submit_measure("nano", samples.quantized(3), Protocol())
    assert "1 measurement in progress" in words(open_page("find_best", shown="At every size"))
