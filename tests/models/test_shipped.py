"""The descriptions that OptLab brings along are those that a worker would find, and are believed for no other files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from optlab import paths
from optlab.models import shipped
from optlab.models.catalog import catalog, locate
from optlab.models.describe import describe


@pytest.mark.parametrize("name", [pytest.param(card.name, marks=[] if card.name == "nano" else pytest.mark.slow)
                                  for card in catalog()])  # fmt: skip
def test_a_shipped_description_is_what_a_worker_finds(name: str) -> None:
    assert shipped.description(name) == describe(name), "run `make probes`"


def test_a_model_outside_of_the_catalog_has_none(tmp_path: Path) -> None:
    assert shipped.description(str(tmp_path)) is None


def test_other_files_of_the_same_name_are_not_described_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nano").mkdir()
    (tmp_path / "descriptions").mkdir()
    for file in (paths.ASSETS / "nano").glob("*.json"):
        (tmp_path / "nano" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "nano" / "model.safetensors").write_bytes(b"other weights")
    (tmp_path / "descriptions" / "nano.json").write_bytes(shipped.place_of("nano").read_bytes())
    monkeypatch.setattr(paths, "ASSETS", tmp_path)
    assert shipped.description("nano") is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": -1}'])
def test_a_damaged_file_is_as_good_as_none(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "place_of", lambda name: tmp_path / f"{name}.json")
    (tmp_path / "nano.json").write_text(text)
    assert shipped.description("nano") is None


def test_the_file_says_of_which_source_it_speaks() -> None:
    source = locate("nano")
    assert source is not None
    kept = json.loads(shipped.place_of("nano").read_text())
    assert kept["source"] == shipped.source_id(source)
