"""Distill: the student that was chosen and its control are asked for, watched, stopped and continued."""

from __future__ import annotations

import json
import math

import numpy as np

from optlab.client.client import Client
from optlab.distill import temperature_lab
from optlab.distill.control import control as control_of
from optlab.figures import distillation
from optlab.jobs.sweep import result as sweep_result
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.results.measurement import MeasurementSoFar
from optlab.results.temperature_lab import TemperatureLab
from optlab.results.training import CurvePoint, Training, TrainingSoFar
from optlab.store.run import Run
from tests.pages import samples
from tests.pages.conftest import open_page, well, words

RECIPE = Recipe.from_dict({"steps": [{"distill": {"student_layers": 1, "steps": 1000, "temperature": 3.0}}]})
HELD_OUT = [CurvePoint(1, 8.0, 0.1)] + [CurvePoint(50 * n, 3.0 + 0.3 * (n / 20) ** -0.4, 3.0 * n) for n in range(1, 21)]


def curve(looks: int, alpha: float | None = None) -> Training:
    loss = tuple(point._replace(nll=point.nll + 0.1) for point in HELD_OUT[:looks])
    return Training(loss=loss, held_out=tuple(HELD_OUT[:looks]), alpha=alpha)


def learning(client: Client, recipe: Recipe = RECIPE, looks: int = 9) -> Run:
    """A training on its way."""
    run = client.submit_measure("nano", recipe, Protocol())
    client.store.claim("worker-1-1")
    training = TrainingSoFar(training=curve(looks), tokens_per_s=12_345.0, left_s=75.0)
    client.store.report(run.id, 0.3, "step 400, loss 3.1", MeasurementSoFar(training=training))
    return run


def page(recipe: Recipe | None = RECIPE):
    given = {} if recipe is None else {"recipe": json.dumps(recipe.to_dict()["steps"])}
    return open_page("distill", **given)


def test_start_asks_for_the_student_and_a_control_of_the_same_start(prepared: Client) -> None:
    app = page(None)
    assert "its loss curve appears here" in words(app)
    app.slider(key="distill/knob//temperature").set_value(4.0)
    well(app.run())
    well(app.button(key="distill/start").click().run())
    recipes = [samples.asked(run).recipe for run in prepared.store.list(kind="measure")]
    chosen, control = sorted(recipes, key=lambda one: float(one.steps[0].values["alpha"] or 0))
    assert chosen.steps[0].values["temperature"] == 4.0
    assert control.steps[0].values["alpha"] == 1.0
    for name in ("student_layers", "start", "steps", "seconds", "learning_rate", "batch", "window"):
        assert chosen.steps[0].values[name] == control.steps[0].values[name]
    assert control_of(chosen) == control


def test_without_control_there_is_one_run(prepared: Client) -> None:
    app = page(None)
    app.toggle(key="distill/control").set_value(False)
    well(app.button(key="distill/start").click().run())
    assert len(prepared.store.list(kind="measure")) == 1


def test_one_control_serves_all_temperatures_and_losses() -> None:
    other = {"student_layers": 1, "steps": 1000, "temperature": 9.0, "loss": "hidden_mse", "alpha": 0.1}
    assert control_of(RECIPE) == control_of(Recipe.from_dict({"steps": [{"distill": other}]}))


def test_a_training_on_its_way_shows_its_curve_speed_and_forecast(prepared: Client) -> None:
    run = learning(prepared)
    app = page()
    text = words(app)
    assert len(app.get("plotly_chart")) == 1
    assert f"{math.exp(HELD_OUT[8][1]):.2f}" in text
    assert "Tokens per second 12,345" in text
    assert "Training ends in 1 min 15 s" in text
    assert "Forecast from the first 40.0%" in text
    app.button(key=f"training/{run.id}/cancel")


def test_a_short_curve_is_not_yet_foretold(prepared: Client) -> None:
    learning(prepared, looks=3)
    assert "A forecast of the final perplexity appears" in words(page())


def test_stop_and_continue_keep_the_same_run(prepared: Client) -> None:
    run = learning(prepared)
    app = page()
    well(app.button(key=f"training/{run.id}/cancel").click().run())
    assert prepared.store.cancel_requested(run.id)
    prepared.store.mark_cancelled(run.id)
    app = page()
    assert "Its state is saved" in words(app)
    assert len(app.get("plotly_chart")) == 1
    well(app.button(key=f"training/{run.id}/retry").click().run())
    again = prepared.store.get(run.id)
    assert again is not None and (again.status, again.attempts) == ("queued", 2)


def test_a_finished_training_says_how_right_the_forecast_was(prepared: Client) -> None:
    run = learning(prepared)
    measured = samples.measurement(1.3, 5_000_000, 1.0, RECIPE)
    result = measured.model_copy(update={"trainings": (curve(21, alpha=0.5),)})
    assert prepared.store.finish(run.id, result, "worker-1-1")
    text = words(page())
    assert "Actual: 27.11, within the band" in text  # exp(3.3), the law of the curve at its end
    assert "30.0% worse" in text


def test_the_last_distillation_is_found_again_without_a_link(prepared: Client) -> None:
    learning(prepared)
    assert "Tokens per second" in words(page(None))


def test_a_model_that_fills_gaps_is_no_teacher(client: Client) -> None:
    from dataclasses import replace

    masked = replace(samples.description(), objective="masked")
    samples.finish(client, client.submit_prepare("nano"), masked.to_dict())
    assert "a teacher that continues text" in words(page(None))


def side(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, 40)


def test_the_lab_shows_the_words_of_a_position_at_a_temperature(prepared: Client) -> None:
    app = page(None)
    assert "The teacher reads a passage" in words(app)
    well(app.button(key="lab/read").click().run())
    (run,) = prepared.store.list(kind="temperature_lab")
    assert samples.asked(run).passage == 0 and samples.asked(run).recipe.is_original
    places = [temperature_lab.position(side(n), side(n + 50), n) for n in range(11)]
    names = {one: f"word{one}" for place in places for one in place.ids}
    result = TemperatureLab(tokens=tuple(f" t{n}" for n in range(12)), names=names, positions=tuple(places),
                            temperatures=temperature_lab.TEMPERATURES)  # fmt: skip
    samples.finish(prepared, run, result)
    app = page(None)
    assert len(app.get("plotly_chart")) == 3
    app.select_slider(key="lab/temperature").set_value(4.0)
    app.select_slider(key="lab/position").set_value(2)
    text = words(well(app.run()))
    assert "t0 t1 t2" in text and "**t3**" in text
    alike = math.exp(float(temperature_lab.entropy(side(2), 4.0)))
    assert f"between {alike:.1f} equally likely" in text
    pull = -temperature_lab.gradient(side(52), side(2), 4.0)[2]
    assert ("token up by" if pull > 0 else "token down by") in text


def test_a_sweep_is_asked_for_and_ends_in_a_map_with_its_best(prepared: Client) -> None:
    assert "Start a student first" in words(page(None))
    app = page()
    app.multiselect(key="sweep/temperatures").set_value([1.0, 4.0])
    well(app.run())
    well(app.button(key="sweep/start").click().run())
    (run,) = prepared.store.list(kind="sweep")
    assert samples.asked(run).temperatures == (1.0, 4.0) and samples.asked(run).alphas == (0.0, 0.5)
    assert samples.asked(run).recipe.content_hash == RECIPE.content_hash
    windows = list(np.random.default_rng(0).normal(3.0, 0.3, 12))
    scores = {None: windows} | {
        (t, a): [w - 0.1 * (t == 4.0) - 0.01 * a for w in windows] for t in (1.0, 4.0) for a in (0.0, 0.5)
    }
    samples.finish(prepared, run, sweep_result(scores).model_copy(update={"tokens": 384, "text": "shakespeare"}))
    text = words(page())
    assert "Best: T 4, alpha 0.5, -0.105 nats per token against the text alone (95% interval -0.105 to -0.105" in text
    assert "cannot be told" not in text


def test_a_sweep_that_found_nothing_says_so(prepared: Client) -> None:
    noise = np.random.default_rng(0)
    windows = noise.normal(3.0, 0.3, 12)
    scores = {None: list(windows), (1.0, 0.0): list(windows + noise.normal(0, 0.1, 12))}
    assert distillation.best_in_words(sweep_result(scores)).startswith("No temperature certainly beats the text alone")
