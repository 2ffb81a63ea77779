"""`optlab page` writes one file, and says in a sentence what it cannot."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from optlab import foreground
from optlab.cli.main import main
from optlab.client.client import Client
from optlab.prediction.state import place_of
from optlab.store.store import Store
from tests.pages import samples
from tests.prediction import states


@pytest.fixture(autouse=True)
def probed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("OPTLAB_STORE", raising=False)
    samples.prepare(Client(Store()))
    states.with_anchors(states.state(blocks=2), 1.3).save(place_of("f" * 64))
    # the model that the store knows has no weights that could be looked at
    monkeypatch.setattr(foreground, "predictor", lambda client, model, shown, text: client.predictor(model))


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["optlab", "page", "nano", *arguments])
    return main()


def test_the_file_is_whole_and_its_size_is_told(monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path) -> None:
    out, recipe = tmp_path / "nano.html", tmp_path / "recipe.yaml"
    recipe.write_text("steps:\n  - quantize: {bits: 3, group_size: 32}\n")
    assert run(monkeypatch, str(out), "--recipe", str(recipe), "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"file": str(out), "bytes": out.stat().st_size}
    html = out.read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>") and html.rstrip().endswith("</html>")
    assert '"stands": {"bits": 3,' in html


def test_what_cannot_be_written_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path) -> None:
    assert run(monkeypatch, str(tmp_path / "nano.pdf")) == 2
    assert "does not end in .html" in capsys.readouterr().err
    assert run(monkeypatch, str(tmp_path / "nowhere" / "nano.html")) == 2
    assert "cannot write" in capsys.readouterr().err
