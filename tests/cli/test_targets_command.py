"""`optlab targets` and `optlab measure --dry-run` tell what was not measured, and say so."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from optlab.cli.main import main
from tests.tiny import tiny_model_folder

RECIPE = "steps:\n  - quantize: {method: rtn, bits: 4, group_size: 16}\n"


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(tiny_model_folder("llama", tmp_path / "llama"))


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return str(tmp_path / "recipe.yaml")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["optlab", *arguments])
    return main()


def test_json_has_what_is_needed_and_what_each_device_makes_of_it(
    model: str, recipe: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    asked = ["--target", "pi5", "--target-memory", "0.00001", "--target-bandwidth", "1", "--context", "32"]
    assert run(monkeypatch, "targets", model, "--recipe", recipe, *asked, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["context"] == 32 and found["weight_bytes"] > 10_000 > found["cache_bytes"] > 0
    board, own = found["targets"]
    assert board["name"] == "pi5" and board["left_bytes"] > 0
    assert own["left_bytes"] == 10_000 - found["weight_bytes"] - found["cache_bytes"] and own["tokens"] is None


def test_half_a_device_is_refused(model: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    assert run(monkeypatch, "targets", model, "--target-memory", "8") == 2
    assert "both --target-memory and --target-bandwidth" in capsys.readouterr().err


def test_a_dry_run_foretells_and_measures_nothing(
    model: str, recipe: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    assert run(monkeypatch, "measure", model, "--recipe", recipe, "--context", "32", "--dry-run", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["way"] == "whole" and set(found["seconds"]) >= {"read", "compress", "quality"}
    assert max(found["memory_bytes"].values()) > found["disk_bytes"] > 0
    assert run(monkeypatch, "runs", "list", "--json") == 0
    assert not [one for one in json.loads(capsys.readouterr().out) if one["kind"] == "measure"]
