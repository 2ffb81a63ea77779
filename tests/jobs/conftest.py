"""A temporary home and the stores that every contract is tried on; a small model, and texts to measure it on."""

from __future__ import annotations

from pathlib import Path

import pytest

from optlab.protocol import Protocol
from tests.compressing import calibration_file
from tests.store_fixtures import file_store, home, store  # noqa: F401
from tests.tiny import tiny_model_folder


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))
    return str(tiny_model_folder("llama", tmp_path / "llama"))


@pytest.fixture
def protocol(tmp_path: Path) -> Protocol:
    text = tmp_path / "evaluation.txt"
    text.write_text(Path(calibration_file(tmp_path)).read_text().upper())
    return Protocol(
        text=str(text), calibration=calibration_file(tmp_path), calibration_tokens=512, context=32, tokens=1024,
        dtype="float32",
    )  # fmt: skip
