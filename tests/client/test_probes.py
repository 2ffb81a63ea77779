"""A probe is given away as one file, and taken in only when it is one and finished."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from optlab import paths
from optlab.client import probes
from optlab.client.client import Client
from optlab.errors import ModelError, OptLabError
from optlab.models.describe import describe
from optlab.prediction.state import State, place_of
from optlab.recipes import Recipe, Step
from optlab.store.store import Store
from tests.pages import samples
from tests.prediction.states import state, with_anchors

SHIPPED = next((paths.ASSETS / "probes").glob("nano-*.safetensors"))


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))
    return Client(Store("sqlite://"))


def prepared(client: Client, fingerprint: str) -> None:
    samples.finish(client, client.submit_prepare("nano"), replace(samples.description(), fingerprint=fingerprint))


def test_a_fresh_home_predicts_a_model_of_the_catalog(client: Client) -> None:
    prepared(client, State.load(SHIPPED).fingerprint)
    predictor = client.predictor("nano")
    assert predictor is not None
    told = predictor.predict(Recipe.of(Step("quantize", "rtn", {"bits": 3, "group_size": 64})))
    assert told.nll is not None and told.nll_band90 is not None and told.size_bytes is not None
    assert told.nll_band90[0] < told.nll < told.nll_band90[1]
    assert told.decode_ms is None, "nobody timed this machine"


def test_a_probe_travels_to_another_home(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(client, State.load(SHIPPED).fingerprint)
    header = probes.export(client, "nano", tmp_path / "nano.safetensors")
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "other"))
    monkeypatch.setattr(paths, "ASSETS", tmp_path)  # where nothing is shipped
    assert not place_of(header.fingerprint).is_file()
    taken = probes.take_in(tmp_path / "nano.safetensors")
    assert taken.fingerprint == header.fingerprint
    assert State.load(place_of(header.fingerprint)).anchors == State.load(SHIPPED).anchors


def test_an_unfinished_probe_does_not_travel(client: Client, tmp_path: Path) -> None:
    found = with_anchors(state(), 1.0)
    prepared(client, found.fingerprint)
    with pytest.raises(ModelError, match="optlab probe nano"):
        probes.export(client, "nano", tmp_path / "out.safetensors")
    found.save(place_of(found.fingerprint))
    with pytest.raises(ModelError, match="not finished"):
        probes.export(client, "nano", tmp_path / "out.safetensors")
    with pytest.raises(ModelError, match="not finished"):
        probes.take_in(place_of(found.fingerprint))


def test_where_nothing_can_be_written_it_is_said(client: Client, tmp_path: Path) -> None:
    prepared(client, State.load(SHIPPED).fingerprint)
    with pytest.raises(OptLabError, match="cannot be written"):
        probes.export(client, "nano", tmp_path / "no" / "such" / "folder.safetensors")


def test_the_description_of_nano_finds_the_shipped_probe(client: Client) -> None:
    assert describe("nano").fingerprint == State.load(SHIPPED).fingerprint
