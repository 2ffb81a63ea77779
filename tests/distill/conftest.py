"""What the tests of distillation share: a tiny teacher, and a text in which no two windows are alike."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from optlab.compression import Compressed, compress
from optlab.models import load
from optlab.models.language_model import LanguageModel
from optlab.progress import Progress, silent
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from tests.tiny import TEXT, tiny_model_folder

Distil = Callable[..., Compressed]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def teacher(tmp_path: Path) -> LanguageModel:
    return load(str(tiny_model_folder("llama", tmp_path / "teacher")))


@pytest.fixture(scope="session")
def varied(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of words drawn from the tiny vocabulary's own text, so that every window is another."""
    words = TEXT.split()
    file = tmp_path_factory.mktemp("text") / "varied.txt"
    file.write_text(" ".join(random.Random(0).choices(words, k=4000)))
    return str(file)


def protocol_on(text: str) -> Protocol:
    """Settings of a tiny measurement whose calibration text is `text`."""
    return Protocol(
        text="bbc-news", calibration=text, dtype="float32", tokens=64, context=32, calibration_tokens=512, latency=False
    )


@pytest.fixture
def distil(varied: str) -> Distil:
    """`teacher` distilled on the varied text by these values of a distillation step."""

    def run(teacher: LanguageModel, progress: Progress = silent, **values: Any) -> Compressed:
        step = {"steps": 12, "window": 32, "batch": 4, "learning_rate": 3e-3, "student_layers": 1, **values}
        protocol = Protocol(
            text="bbc-news", calibration=varied, dtype="float32", tokens=64, context=32, calibration_tokens=512
        )
        return compress(teacher, Recipe.from_dict({"steps": [{"distill": step}]}), protocol, progress)

    return run
