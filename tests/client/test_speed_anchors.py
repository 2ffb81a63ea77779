"""Speed is timed by itself where it is not known, makes way for what somebody asks, and is timed again after load."""

from __future__ import annotations

from pathlib import Path

import pytest

from optlab.client.client import Client
from optlab.jobs.speed_anchors import SPEED_ANCHORS
from optlab.prediction import timing
from optlab.prediction.state import place_of
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.results.environment import Environment
from optlab.results.model import SpeedTimed
from optlab.results.probe import SpeedAnchors, TimedRecipe
from optlab.store.run import Run, Status
from optlab.store.store import Store
from tests.pages import samples
from tests.prediction.states import state, uniform, with_anchors

FINGERPRINT = "f" * 64


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path))
    monkeypatch.setattr(timing, "quiet", lambda: True)
    found = Client(Store("sqlite://"))
    samples.prepare(found)
    return found


@pytest.fixture
def probed(client: Client) -> Client:
    with_anchors(state(), 1.0).save(place_of(FINGERPRINT))
    return client


def end(client: Client, run: Run, load: float, ms: float = 2.0) -> None:
    """Let a worker have timed, while others wanted `load` cores."""
    rows = [TimedRecipe(recipe=recipe, decode_ms=ms / n, low=ms / n, high=ms / n)
            for n, recipe in enumerate((Recipe(), uniform(4, 32)), start=1)]  # fmt: skip
    dtype = client.subject("nano").protocol.decodes_in
    found = SpeedAnchors(fingerprint=FINGERPRINT, dtype=dtype, path="int4", timed=tuple(rows),
                         machine=Environment(cores=2, load=load), made=1.0 + ms)  # fmt: skip
    timing.keep(found)
    assert client.store.claim("worker-1-1") is not None
    client.store.finish(run.id, SpeedTimed(model="nano", fingerprint=FINGERPRINT, dtype=dtype, recipes=2))


def decode_ms(client: Client, recipe: Recipe) -> float | None:
    predictor = client.predictor("nano")
    assert predictor is not None
    return predictor.predict(recipe).decode_ms


def test_without_a_probe_nothing_is_timed(client: Client) -> None:
    assert client.time_speed("nano") is None


def test_speed_is_timed_once_and_then_predicted(probed: Client) -> None:
    assert decode_ms(probed, Recipe()) is None
    run = probed.time_speed("nano")
    assert run is not None and run.kind == SPEED_ANCHORS.name
    again = probed.time_speed("nano")
    assert again is not None and again.id == run.id
    end(probed, run, load=0.1)
    assert probed.time_speed("nano") is None
    assert decode_ms(probed, Recipe()) == pytest.approx(2.0)
    assert decode_ms(probed, uniform(4, 32)) == pytest.approx(1.0, rel=0.01)


def test_it_waits_until_nothing_else_is_to_do_and_makes_way(probed: Client) -> None:
    measuring = probed.submit_measure("nano", uniform(3, 32), Protocol())
    assert probed.time_speed("nano") is None
    probed.cancel(measuring.id)
    run = probed.time_speed("nano")
    assert run is not None
    probed.submit_measure("nano", uniform(4, 32), Protocol())
    stopped = probed.run(run.id)
    assert stopped is not None and stopped.status == Status.CANCELLED


def test_what_was_timed_under_load_is_timed_again_when_the_machine_is_quiet(
    probed: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = probed.time_speed("nano")
    assert run is not None
    end(probed, run, load=5.0, ms=46.0)
    assert decode_ms(probed, Recipe()) == pytest.approx(46.0)
    monkeypatch.setattr(timing, "quiet", lambda: False)
    assert probed.time_speed("nano") is None
    monkeypatch.setattr(timing, "quiet", lambda: True)
    again = probed.time_speed("nano")
    assert again is not None and again.status == Status.QUEUED
    end(probed, again, load=0.0, ms=2.0)
    assert probed.time_speed("nano") is None
    assert decode_ms(probed, Recipe()) == pytest.approx(2.0)


def test_a_measurement_with_a_latency_anchors_the_speed_again(probed: Client) -> None:
    run = probed.time_speed("nano")
    assert run is not None
    end(probed, run, load=0.0, ms=46.0)
    samples.measured(probed, 4)  # base 2 ms per token, as every sample
    assert decode_ms(probed, Recipe()) == pytest.approx(2.0)
