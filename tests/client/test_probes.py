"""A probe is given away as one file, and taken in only when it is one and finished."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save

from optlab import paths, sealed
from optlab.client import probes
from optlab.client.client import Client
from optlab.errors import ModelError, OptLabError
from optlab.files import JsonObject
from optlab.models.describe import describe
from optlab.prediction.predictor import Predictor
from optlab.prediction.state import METADATA, State, place_of
from optlab.recipes import Recipe, Step
from optlab.results.model import Probed
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


@pytest.mark.parametrize("how", ["thrown away", "damaged"])
def test_a_probe_that_is_gone_is_made_again(client: Client, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    found = State.load(SHIPPED)
    monkeypatch.setattr("optlab.prediction.state.shipped", lambda fingerprint: None)
    prepared(client, found.fingerprint)
    found.keep()
    file = place_of(found.fingerprint)
    run = client.submit_probe("nano")
    told = Probed(model="nano", fingerprint=found.fingerprint, anchors=1, families=("f",), timings=0)
    samples.finish(client, run, told)
    assert client.submit_probe("nano").done
    if how == "damaged":
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
    else:
        sealed.remove(file)
    again = client.submit_probe("nano")
    assert again.live
    assert client.predictor("nano") is None, "what is damaged is not believed"
    assert client.submit_probe("nano").id == again.id


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


def _rewritten(change: Callable[[JsonObject], None], target: Path) -> Path:
    """The probe that is shipped, with another header."""
    with safe_open(SHIPPED, "numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = json.loads(file.metadata()[METADATA])
    change(header)
    target.write_bytes(save(arrays, {METADATA: json.dumps(header)}))
    return target


def _level(header: JsonObject, **values: object) -> None:
    next(table for table in header["tables"].values() if table["kind"] == "quantize")["levels"][0].update(values)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda header: header.update(storage_dtype="<script>"), "stores numbers as '<script>'"),
        (lambda header: header["tensors"][0].__setitem__(1, "x"), "stores numbers as 'x'"),
        (lambda header: _level(header, bits=float("nan")), "has a level that is none"),
        (lambda header: _level(header, bits=99), "has a level that is none"),
        (lambda header: _level(header, colour="red"), "has a level that is none"),
        (lambda header: next(iter(header["tables"].values())).update(method="gptq"), "another method than it says"),
        (lambda header: header.update(fingerprint="../../../etc/passwd"), "fingerprint"),
        (lambda header: header["shapes"].pop(), "same number of layers"),
    ],
)
def test_a_probe_that_would_fail_when_it_predicts_is_not_taken_in(
    change: Callable[[JsonObject], None], says: str, client: Client, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=says):
        probes.take_in(_rewritten(change, tmp_path / "strange.safetensors"))
    assert not list(paths.folder("probes").iterdir())


def test_what_is_no_file_is_said_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    said = {
        "": "it is no file",
        "pipe": "it is no file",
        "none": "No such file or directory$",
        "empty": "no safetensors",
    }
    for name, says in said.items():
        with pytest.raises(ModelError, match=says) as caught:
            probes.take_in(tmp_path / name)
        assert "Error(" not in str(caught.value)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    random=st.randoms(use_true_random=False), value=st.sampled_from(["", "x", None, True, -1, 0, 0.5, 3, 2**40, [], {}])
)
def test_whatever_stands_in_a_header_is_refused_or_predicts(tmp_path: Path, random: Random, value: object) -> None:
    def change(header: JsonObject) -> None:
        place: Any = header
        while True:
            key = random.choice(list(place)) if isinstance(place, dict) else random.randrange(len(place))
            if not isinstance(place[key], (dict, list)) or not place[key] or random.random() < 0.2:
                place[key] = value
                return
            place = place[key]

    try:
        state = State.load(_rewritten(change, tmp_path / "strange.safetensors"))
    except ModelError:
        return
    predictor = Predictor(state)
    for step in (Step("quantize", "rtn", {"bits": 3}), Step("prune", "wanda", {"sparsity": 0.4})):
        predictor.predict(Recipe.of(step)).document().to_json()
