"""The run that judges heads: as many figures as heads, the same when asked again, and one run however often asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from optlab.client.client import Client
from optlab.jobs.importance import WINDOWS, execute
from optlab.progress import silent
from optlab.protocol import Protocol
from optlab.results.model import ImportanceSpec
from optlab.store.store import Store
from tests.compressing import calibration_file
from tests.tiny import tiny_model_folder


def test_every_head_of_every_block_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))
    folder = tiny_model_folder("llama", tmp_path / "llama")
    protocol = Protocol(calibration=calibration_file(tmp_path), context=32)
    spec = ImportanceSpec(model=str(folder), protocol=protocol)
    lines: list[str] = []
    found = execute(spec, silent, lines.append)
    assert [len(row) for row in found.heads] == [4, 4]
    assert all(value > 0 for row in found.heads for value in row)
    assert (found.shared, found.windows) == (2, WINDOWS)
    assert execute(spec, silent, lines.append).heads == found.heads

    client = Client(Store(f"sqlite:///{tmp_path / 'runs.db'}"))
    assert client.find_importance(str(folder), protocol) is None
    run = client.submit_importance(str(folder), protocol)
    assert client.submit_importance(str(folder), protocol).id == run.id
    other = protocol.model_copy(update={"tokens": 1024})  # how much is measured does not change what heads do
    assert client.find_importance(str(folder), other).id == run.id  # type: ignore[union-attr]
