"""Finished runs in a store of their own; the sample model and figures are those of the pages' tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from optlab import paths
from optlab.client.client import Client
from optlab.store.store import Store
from tests.pages import samples


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("OPTLAB_HOME", str(folder))
    monkeypatch.delenv("OPTLAB_STORE", raising=False)
    nano = tmp_path / "assets" / "nano"
    nano.mkdir(parents=True)
    (nano / "config.json").write_text("{}")
    (nano / "model.safetensors").write_bytes(b"")
    monkeypatch.setattr(paths, "ASSETS", tmp_path / "assets")
    return folder


@pytest.fixture
def client(home: Path) -> Client:
    found = Client(Store())
    samples.prepare(found)
    return found
