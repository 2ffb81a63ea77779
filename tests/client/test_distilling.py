"""The temperature lab and the sweep as runs, on a tiny model, with what they promise about each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from optlab.client.client import Client
from optlab.distill import temperature_lab as lab
from optlab.jobs import sweep, temperature_lab
from optlab.models import load
from optlab.progress import silent
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.results.sweep import SweepSpec
from optlab.results.temperature_lab import TemperatureLabSpec
from optlab.store.store import Store
from tests.compressing import calibration_file
from tests.tiny import tiny_model_folder

STEP = {"student_layers": 1, "steps": 4, "window": 32, "batch": 4}
RECIPE = Recipe.from_dict({"steps": [{"distill": STEP}]})
Asked = dict[str, Any]
"""Model, recipe and protocol, as every spec here has them."""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))
    folder = str(tiny_model_folder("llama", tmp_path / "teacher"))
    protocol = Protocol(
        text="bbc-news", calibration=calibration_file(tmp_path), calibration_tokens=512, context=32, tokens=256,
        dtype="float32",
    )  # fmt: skip
    return {"model": folder, "recipe": RECIPE, "protocol": protocol}


def lines(log: list[str]):
    return log.append


def test_the_lab_shows_the_models_own_answers(spec: Asked) -> None:
    found = temperature_lab.execute(TemperatureLabSpec(**spec | {"recipe": Recipe(), "passage": 2}), silent, lines([]))
    assert len(found.tokens) == len(found.positions) + 1 == temperature_lab.LENGTH
    model = load(spec["model"])
    from optlab import texts

    ids = texts.evaluation_tokens("bbc-news", model.tokenizer, 3 * temperature_lab.LENGTH)[2 * temperature_lab.LENGTH :]
    assert "".join(found.tokens).strip() == model.tokenizer.decode(ids).strip()
    with torch.inference_mode():
        p = (model.logits(torch.tensor([ids]))[0, 7].double() / 2.0).softmax(-1)
    place, two = found.positions[7], found.temperatures.index(2.0)
    np.testing.assert_allclose(lab.shown(place.teacher, found.temperatures, two), p[list(place.ids)].numpy(), rtol=1e-5)
    assert place.true == ids[8]
    assert place.student is None


def test_the_lab_with_a_student_shows_what_pulls_it(spec: Asked) -> None:
    found = temperature_lab.execute(TemperatureLabSpec(**spec, passage=0), silent, lines([]))
    place = found.positions[3]
    assert place.student is not None
    assert place.gradient[found.temperatures.index(1.0)] > 0


def test_a_sweep_compares_students_on_the_same_words(spec: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []
    partial: list[Any] = []
    asked = SweepSpec(**spec, temperatures=(4.0, 1.0), alphas=(0.0, 1.0))
    found = sweep.execute(asked, lambda f, m, p=None: partial.append(p), lines(log))
    assert [(cell.temperature, cell.alpha) for cell in found.cells] == [(1.0, 0.0), (4.0, 0.0)]
    assert found.windows == 8 and len(log) == 3
    for cell in found.cells:
        assert cell.delta == pytest.approx(cell.nll - found.control)
        assert cell.ci95[0] <= cell.delta <= cell.ci95[1]
    best = min(found.cells, key=lambda cell: cell.nll)
    assert found.best == (best.temperature, best.alpha) and best.as_good
    shown = [one for one in partial if one is not None]
    assert any(one.training is not None and one.cells for one in shown), "curves and fields come while it runs"

    monkeypatch.setattr("optlab.compression.apply", None)  # nothing is trained again
    assert sweep.execute(asked, silent, lines([])) == found


def test_a_student_is_as_good_as_the_best_only_within_the_noise() -> None:
    generator = np.random.default_rng(0)
    control = generator.normal(3.0, 0.5, 40)
    noise = generator.normal(0.0, 0.01, 40)
    scores = {
        None: list(control), (1.0, 0.0): list(control - 0.2), (2.0, 0.0): list(control - 0.2 + noise - noise.mean()),
        (4.0, 0.0): list(control - 0.1 + noise),
    }  # fmt: skip
    found = {cell.temperature: cell for cell in sweep.result(scores).cells}
    assert [found[t].as_good for t in (1.0, 2.0, 4.0)] == [True, True, False]
    assert found[1.0].ci95 == pytest.approx([-0.2, -0.2])
    assert found[4.0].ci95[1] < 0


def test_the_same_question_is_the_same_run(spec: Asked, tmp_path: Path) -> None:
    client = Client(Store(f"sqlite:///{tmp_path / 'runs.db'}"))
    protocol = spec["protocol"]
    ask = [client.submit_sweep(spec["model"], RECIPE, protocol, t, [0.5]).id for t in ([2, 1], [1, 2], [1])]
    assert ask[0] == ask[1] != ask[2]
    looked = [client.submit_temperature_lab(spec["model"], None, protocol, n).id for n in (0, 0, 1)]
    assert looked[0] == looked[1] != looked[2]
    newest = client.latest("temperature_lab", spec["model"])
    assert newest is not None and newest.id == looked[2]
    client.store.request_cancel(ask[2])
    again = client.submit_sweep(spec["model"], RECIPE, protocol, [1], [0.5])
    assert (again.id, again.status) == (ask[2], "queued")
