"""The pruning part of Explore: verdicts come from measurements, bytes from the closed forms, heads go by a click."""

from __future__ import annotations

import json
from typing import Any

import pytest

from optlab.client.client import Client
from optlab.client.verdicts import verdict
from optlab.figures import heads as map_of_heads
from optlab.figures import storage
from optlab.formats.sparse.sizes import break_even
from optlab.formats.sparse.totals import crossings, totals
from optlab.machine.identity import processor
from optlab.protocol import Protocol
from optlab.prune.chosen_heads import removed, toggled
from optlab.recipes import Recipe, Step
from optlab.results.measurement import LayerReport
from tests.pages import samples
from tests.pages.conftest import open_page, parameter, well, words

HALF = Step("prune", "wanda", {"sparsity": 0.5})
SHAPES = [(192, 192)] * 8 + [(576, 192)] * 4 + [(192, 576)] * 2


def measured(client: Client, step: Step, size: int, decode: tuple[float, float, float]) -> None:
    """A finished measurement of `step` alone. decode: speedup and its interval."""
    recipe = Recipe.of(step)
    found = samples.measurement(1.2, size, 2.0 / decode[0], recipe, speedup=decode)
    here = found.environment.model_copy(update={"processor": processor()})
    run = client.submit_measure("nano", recipe, Protocol())
    samples.finish(client, run, found.model_copy(update={"environment": here}))


def judged(client: Client, step: Step) -> Any:
    return verdict(client.measurements(), "nano", step, processor())


def test_a_verdict_is_that_of_the_measurement(prepared: Client) -> None:
    assert judged(prepared, HALF) is None
    measured(prepared, HALF, samples.BASE_BYTES // 2, (1.01, 0.97, 1.05))
    found = judged(prepared, HALF)
    assert (found.smaller, found.size, found.faster, found.gains) == (True, 0.5, False, ())
    neurons = Step("prune", "wanda", {"sparsity": 0.25, "pattern": "neurons"})
    measured(prepared, neurons, 16_000_000, (1.3, 1.2, 1.4))
    assert judged(prepared, neurons).faster
    assert [gain.work for gain in judged(prepared, neurons).gains] == ["decode"]


def test_zeros_weigh_the_same_whoever_chose_them_but_other_patterns_do_not_speak(prepared: Client) -> None:
    measured(prepared, HALF, samples.BASE_BYTES // 2, (1.0, 0.9, 1.1))
    assert judged(prepared, Step("prune", "sparsegpt", {"sparsity": 0.5})).size == 0.5
    assert judged(prepared, Step("prune", "wanda", {"sparsity": 0.7})) is None
    assert judged(prepared, Step("prune", "wanda", {"sparsity": 0.5, "pattern": "2:4"})) is None
    assert judged(prepared, Step("prune", "sparsegpt_gptq", {"sparsity": 0.5})) is None
    assert judged(prepared, Step("quantize", "rtn", {"bits": 4})) is None


def test_explore_says_smaller_and_faster_from_measurement(prepared: Client) -> None:
    link = json.dumps(Recipe.of(HALF).to_dict()["steps"])
    assert "Measure to see whether it is smaller or faster" in words(open_page("explore", recipe=link))
    measured(prepared, HALF, samples.BASE_BYTES // 2, (1.0, 0.9, 1.1))
    said = words(open_page("explore", recipe=link)).replace("\\", "")
    assert "50% of the original file" in said
    assert "Not measurably faster here" in said
    assert "No speed-up found yet" in said


def test_a_knob_beside_others_is_measured_alone(prepared: Client) -> None:
    link = json.dumps(Recipe.of(HALF, *samples.quantized(4).steps).to_dict()["steps"])
    app = open_page("explore", recipe=link)
    offers = [button for button in app.button if "this knob alone" in button.label]
    assert len(offers) == 2
    well(offers[1].click().run())
    asked = prepared.store.list("measure")[0]
    assert [step.kind for step in samples.asked(asked).recipe.steps] in (["prune"], ["quantize"])


@pytest.mark.parametrize("bits", [16, 4])
def test_totals_are_sums_and_break_evens_those_of_one_shape(bits: int) -> None:
    one = totals([(192, 576)] * 3, 0.6, bits)
    assert one["bitmask"] * 2 == totals([(192, 576)] * 6, 0.6, bits)["bitmask"]
    found = {(c.form, c.than): c.sparsity for c in crossings([(192, 576)], bits)}
    assert found["bitmask", "dense"] == pytest.approx(break_even((192, 576), "bitmask", bits=bits), abs=1e-6)
    for one_form in crossings(SHAPES, bits):
        after = totals(SHAPES, min(one_form.sparsity + 1e-3, 1.0), bits)
        assert after[one_form.form] < after[one_form.than]


def test_the_chart_marks_every_break_even_and_the_file() -> None:
    shapes = {f"l{i}": shape for i, shape in enumerate(SHAPES)}
    layers = [LayerReport(name=name, sparsity=0.5, bits_per_weight=9.0) for name in shapes]
    weights = sum(rows * columns for rows, columns in SHAPES)
    share, size = storage.written(layers, shapes) or (0, 0)
    assert (share, size) == (0.5, 9 * weights / 8)
    chart = storage.chart(SHAPES, 16, (share, size))
    marks = [trace for trace in chart.data if trace.mode == "markers"]
    assert len(marks) == len(crossings(SHAPES)) + 1
    assert len(storage.meetings(SHAPES, 16)) == len(crossings(SHAPES))


def test_a_click_removes_a_head_and_another_brings_it_back() -> None:
    once = toggled(samples.quantized(4), {(1, 2)})
    assert [step.kind for step in once.steps] == ["prune", "quantize"]
    assert removed(once) == {(1, 2)}
    assert removed(toggled(once, {(0, 3)})) == {(1, 2), (0, 3)}
    assert toggled(once, {(1, 2)}) == samples.quantized(4)
    assert removed(Recipe.of(HALF)) is None
    event = {"selection": {"points": [{"customdata": [1, 2, 0.5]}]}}
    assert map_of_heads.clicked(event) == {(1, 2)}


def test_the_map_is_made_once_and_drawn(prepared: Client) -> None:
    app = open_page("explore", shown="Layers", part="heads")
    well(next(button for button in app.button if button.label == "Score all heads").click().run())
    (run,) = prepared.store.list("importance")
    samples.finish(prepared, run, {"heads": [[0.1, 0.2], [0.0, 0.4]], "shared": 2, "windows": 8})
    said = words(open_page("explore", shown="Layers", part="heads"))
    assert "Click a head to remove it" in said
    assert "Every 2 neighbouring heads" in said
    without = Recipe.of(Step("prune", "chosen_heads", {"heads": "0.1"}))
    app = open_page("explore", shown="Layers", part="heads", recipe=json.dumps(without.to_dict()["steps"]))
    assert "1 head is removed" in words(app)
    assert "chosen_heads" in parameter(app, "recipe")
    chart = map_of_heads.chart([[0.1, 0.2], [0.0, 0.4]], {(0, 1)}).data[0]
    assert list(chart.marker.symbol) == ["square", "x-thin", "square", "square"]
