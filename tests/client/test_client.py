"""The same question has the same key, a different question another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from optlab import paths
from optlab.client import client as client_module
from optlab.client.client import Client
from optlab.errors import ModelError
from optlab.jobs import measure, resolution
from optlab.jobs.generate import GENERATE
from optlab.jobs.measure import MEASURE
from optlab.jobs.prepare import PREPARE
from optlab.models import catalog as catalog_module
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.store.run import Status
from optlab.store.store import Store
from tests.pages import samples

FOUR = Recipe.from_dict({"steps": [{"quantize": {"bits": 4}}]})
THREE = Recipe.from_dict({"steps": [{"quantize": {"bits": 3}}]})
PROTOCOL = Protocol.model_validate({"text": "shakespeare", "dtype": "float32"})


@pytest.fixture
def client(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A client that may look for nano and finds some files; what is in them is not read before a run."""
    folder(tmp_path / "assets" / "nano")
    monkeypatch.setattr(paths, "ASSETS", tmp_path / "assets")
    return Client(Store("sqlite://"))


def folder(path: Path, weights: bytes = b"1") -> str:
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text("{}")
    (path / "model.safetensors").write_bytes(weights)
    return str(path)


def changed(**settings: Any) -> Protocol:
    return Protocol.model_validate({**PROTOCOL.model_dump(), **settings})


def prepare(client: Client, model: str, fingerprint: str) -> None:
    run = client.submit_prepare(model)
    assert client.store.claim("w").id == run.id  # type: ignore[union-attr]
    client.store.finish(run.id, replace(samples.description(), fingerprint=fingerprint))


def finish(client: Client, result: Any) -> None:
    run = client.store.claim("w")
    assert run is not None
    client.store.finish(run.id, result)


def test_asking_twice_gives_the_same_run(client: Client) -> None:
    prepare(client, "nano", "f1")
    first = client.submit_measure("nano", FOUR, PROTOCOL)
    assert client.submit_measure("nano", Recipe.from_yaml(FOUR.to_yaml()), changed()).id == first.id
    assert client.find("nano", FOUR, PROTOCOL) == first
    assert MEASURE.spec_of(first).recipe == FOUR


@pytest.mark.parametrize(
    "setting",
    [{"tokens": 4096}, {"context": 256}, {"seed": 1}, {"dtype": "bfloat16"}, {"latency": False}, {"text": "bbc-news"},
     {"calibration": "bbc-news"}, {"calibration_tokens": 1024}, {"device": "cpu"}, {"stop_below_percent": 1.0}],
)  # fmt: skip
def test_every_setting_of_the_protocol_makes_another_run(client: Client, setting: dict[str, Any]) -> None:
    prepare(client, "nano", "f1")
    first = client.submit_measure("nano", FOUR, PROTOCOL)
    assert client.find("nano", FOUR, changed(**setting)) is None
    assert client.submit_measure("nano", FOUR, changed(**setting)).id != first.id


def test_another_recipe_and_another_model_make_another_run(client: Client, tmp_path: Path) -> None:
    other = folder(tmp_path / "other")
    prepare(client, "nano", "f1")
    prepare(client, other, "f2")
    runs = [client.submit_measure(*asked, PROTOCOL).id for asked in [("nano", FOUR), ("nano", THREE)]]
    runs.append(client.submit_measure(other, FOUR, PROTOCOL).id)
    assert len(set(runs)) == 3


def test_the_default_text_is_the_same_as_naming_it(client: Client) -> None:
    default = next(card.default_text for card in catalog_module.catalog() if card.name == "nano")
    first = client.submit_measure("nano", FOUR, changed(text=None))
    assert client.submit_measure("nano", FOUR, changed(text=default)).id == first.id
    assert MEASURE.spec_of(first).protocol.text == default


def test_only_a_latency_belongs_to_the_machine(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    timed = client.submit_measure("nano", FOUR, PROTOCOL)
    untimed = client.submit_measure("nano", FOUR, changed(latency=False))
    monkeypatch.setattr(measure, "machine_id", lambda: "elsewhere")
    assert client.find("nano", FOUR, PROTOCOL) is None
    assert client.find("nano", FOUR, changed(latency=False)).id == untimed.id != timed.id  # type: ignore[union-attr]


def test_auto_is_settled_when_the_run_is_submitted(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolution, "reading_dtype", lambda device: "float32")
    monkeypatch.setattr(resolution, "decoding_dtype", lambda device: "float32")
    run = client.submit_measure("nano", FOUR, changed(dtype="auto"))
    assert MEASURE.spec_of(run).protocol.dtype == "float32"
    assert client.find("nano", FOUR, PROTOCOL).id == run.id  # type: ignore[union-attr]


def test_a_model_may_read_in_one_precision_and_write_in_another(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolution, "reading_dtype", lambda device: "float32")
    monkeypatch.setattr(resolution, "decoding_dtype", lambda device: "bfloat16")
    auto = client.submit_measure("nano", FOUR, changed(dtype="auto"))
    settled = MEASURE.spec_of(auto).protocol
    assert (settled.dtype, settled.decodes_in) == ("float32", "bfloat16")
    assert client.find("nano", FOUR, changed(dtype="float32")) is None, "timed in float32, which is another run"
    assert client.find("nano", FOUR, settled).id == auto.id  # type: ignore[union-attr]
    untimed = client.submit_measure("nano", FOUR, changed(dtype="auto", latency=False))
    alike = client.find("nano", FOUR, changed(dtype="float32", latency=False))
    assert alike is not None and alike.id == untimed.id, "nothing was written, so nothing tells them apart"


def test_a_measurement_before_the_preparation_asks_for_it_and_is_found_after_it(client: Client) -> None:
    early = client.submit_measure("nano", FOUR, PROTOCOL)
    assert [run.kind for run in client.store.list(kind="prepare")] == ["prepare"]
    assert client.description("nano") is None
    finish(client, {})
    finish(client, replace(samples.description(), fingerprint="f1"))
    assert client.description("nano").fingerprint == "f1"  # type: ignore[union-attr]
    assert client.submit_measure("nano", FOUR, PROTOCOL).id == early.id


def test_a_failed_measurement_is_asked_for_again_as_the_same_run(client: Client) -> None:
    prepare(client, "nano", "f1")
    run = client.submit_measure("nano", FOUR, PROTOCOL)
    client.store.request_cancel(run.id)
    assert client.find("nano", FOUR, PROTOCOL).status == "cancelled"  # type: ignore[union-attr]
    again = client.submit_measure("nano", FOUR, PROTOCOL)
    assert (again.id, again.status, again.attempts) == (run.id, "queued", 2)


def test_a_text_file_is_known_by_what_is_in_it(client: Client, tmp_path: Path) -> None:
    text, copy = tmp_path / "a.txt", tmp_path / "b.txt"
    text.write_text("to be or not to be")
    copy.write_text("to be or not to be")
    first = client.submit_measure("nano", FOUR, changed(text=str(text)))
    assert client.find("nano", FOUR, changed(text=str(copy))).id == first.id  # type: ignore[union-attr]
    text.write_text("that is the question")
    assert client.find("nano", FOUR, changed(text=str(text))) is None


def test_a_changed_folder_is_another_model(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = folder(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    run = client.submit_prepare("./mine")
    assert PREPARE.spec_of(run).model == mine
    assert client.submit_prepare(mine).id == run.id
    folder(tmp_path / "mine", b"12")
    assert client.submit_prepare("./mine").id != run.id


def test_a_model_trained_anew_is_another_model(client: Client, tmp_path: Path) -> None:
    prepare(client, "nano", "f1")
    first = client.submit_measure("nano", FOUR, PROTOCOL)
    folder(tmp_path / "assets" / "nano", b"12")
    assert client.description("nano") is None
    assert client.submit_measure("nano", FOUR, PROTOCOL).id != first.id


def test_a_model_that_does_not_exist_is_refused_before_it_is_queued(client: Client) -> None:
    with pytest.raises(ModelError, match="nowhere"):
        client.submit_measure("./nowhere/at/all", FOUR, PROTOCOL)
    assert client.store.list() == []


def test_texts_are_the_same_run_only_with_the_same_prompt_and_settings(client: Client) -> None:
    def ask(prompt: str = "To be", **settings: Any) -> int:
        return client.submit_generate("nano", FOUR, prompt, protocol=PROTOCOL, **settings).id

    assert ask() == ask()
    others = [ask("Not to be"), ask(max_tokens=8), ask(temperature=1.0), ask(seed=1)]
    others.append(client.submit_generate("nano", FOUR, "To be", protocol=changed(dtype="bfloat16")).id)
    assert len({ask(), *others}) == 6
    assert not GENERATE.spec_of(client.submit_generate("nano", None, "To be")).known_recipe.steps


def test_a_finished_measurement_becomes_a_flat_row(client: Client) -> None:
    prepare(client, "nano", "f1")
    client.submit_measure("nano", FOUR, PROTOCOL)
    finish(client, samples.measurement(1.2, 1_000_000, 3.0, FOUR))
    client.submit_measure("nano", THREE, PROTOCOL)
    (row,) = client.records()
    assert (row["model"], row["text"], row["tokens"], row["recipe"]) == ("nano", "shakespeare", 8192, FOUR.describe())
    assert (row["baseline_ppl"], row["compressed_ppl"], row["delta_ppl_ratio"]) == (20.0, 24.0, 1.2)
    assert (row["delta_ppl_ratio_ci95_low"], row["delta_ppl_ratio_ci95_high"]) == pytest.approx((1.188, 1.212))
    assert row["size_ratio"] == 1_000_000 / samples.BASE_BYTES


def test_a_preparation_by_a_version_that_described_models_otherwise_is_made_again(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(client_module, "PREPARE", replace(PREPARE, version=PREPARE.version - 1))
        prepare(client, "nano", "f1")
        old = client.submit_prepare("nano")
    assert client.description("nano") is None
    again = client.submit_prepare("nano")
    assert (old.status, again.status) == (Status.DONE, Status.QUEUED)
    assert again.id != old.id
