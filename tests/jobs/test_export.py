"""A measurement's model as a file: a run of the store, found again, whose file goes when the run is deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

import optlab
from optlab import foreground
from optlab.api import protocol_of, recipe_of
from optlab.client import taking_home
from optlab.client.client import Client
from optlab.exports.package import CARD
from optlab.jobs import model_cache
from optlab.jobs.export import EXPORT
from optlab.jobs.measure import MEASURE
from optlab.store.run import Run
from optlab.store.store import Store

QUICK = {"tokens": 1024, "context": 128, "dtype": "float32", "latency": False}


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))
    model_cache.forget()
    return Client(Store())


def measured(client: Client, step: dict) -> Run:
    return foreground.measure(client, "nano", recipe_of(step), protocol_of(QUICK))


def test_the_gguf_of_a_measurement_has_its_perplexity(client: Client) -> None:
    run = measured(client, {"quantize": {"bits": 4, "group_size": 64}})
    done = foreground.complete(client, client.submit_export(run, "gguf"))
    found, result = taking_home.made(done), MEASURE.result_of(run)
    assert found is not None and result is not None
    file = taking_home.file(client, done.id, found.file)
    assert file is not None and file.stat().st_size == found.size_bytes
    read = optlab.evaluate(str(file), text="shakespeare", **{k: v for k, v in QUICK.items() if k != "latency"})
    assert read.ppl == pytest.approx(result.compressed.ppl, rel=1e-3)
    assert f"{result.compressed.ppl:.4g}" in found.card and f"{result.delta.ppl_ratio:.4f}" in found.card
    again = client.find_export(run, "gguf")
    assert again is not None and again.id == done.id
    assert client.find_export(run, "onnx") is None


def test_only_the_file_and_its_card_are_given_away(client: Client) -> None:
    run = measured(client, {"quantize": {"bits": 4, "group_size": 64}})
    done = foreground.complete(client, client.submit_export(run, "safetensors"))
    found = taking_home.made(done)
    assert found is not None
    assert taking_home.file(client, done.id, CARD) is not None
    for id, name in ((done.id, "optlab.db"), (done.id, "../../optlab.db"), (run.id, "model.safetensors"), (999, CARD)):
        assert taking_home.file(client, id, name) is None
    client.delete(done.id)
    assert found.artefact is not None and not Path(found.artefact).exists()
    assert MEASURE.result_of(run) is not None and Path(MEASURE.result_of(run).artefact or "").is_dir()  # type: ignore[union-attr]


def test_a_run_that_names_a_folder_elsewhere_gives_nothing_away(client: Client, tmp_path: Path) -> None:
    run = measured(client, {"quantize": {"bits": 4, "group_size": 64}})
    queued = client.submit_export(run, "gguf")
    secret = tmp_path / "elsewhere"
    secret.mkdir()
    (secret / "x.gguf").write_bytes(b"secret")
    claimed = client.store.claim("test", queued.id)
    assert claimed is not None
    result = EXPORT.result.model_validate(
        {"format": "gguf", "file": "x.gguf", "size_bytes": 6, "sha256": "0", "tensors": {}, "rounding": 0.0,
         "exact": True, "card": "", "artefact": str(secret)}
    )  # fmt: skip
    assert client.store.finish(queued.id, result, "test")
    assert taking_home.file(client, queued.id, "x.gguf") is None
