"""What the tests of compression share: tiny models, a text of their own to calibrate on, and recipes in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optlab.compression import Compressed, compress
from optlab.messages import Message
from optlab.models import load
from optlab.models.language_model import LanguageModel
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from tests.tiny import TEXT, tiny_model_folder

Step = dict[str, Any]


def tiny(family: str, folder: Path, dtype: str = "float16", **changes: Any) -> LanguageModel:
    """A tiny random model of `family`, float32 weights from a checkpoint in `dtype`."""
    return load(str(tiny_model_folder(family, folder / family, dtype, **changes)))


def calibration_file(folder: Path) -> str:
    """A text of about ten thousand tokens."""
    words = TEXT.split()
    # Rotated again and again, so that the windows differ.
    file = folder / "calibration.txt"
    file.write_text(" ".join(" ".join(words[i % 40 :] + words[: i % 40]) for i in range(120)), encoding="utf-8")
    return str(file)


def quantize(layers: str | None = None, **values: Any) -> Step:
    return {"quantize": {"group_size": 16, **values}} | ({"layers": layers} if layers else {})


def prune(layers: str | None = None, **values: Any) -> Step:
    return {"prune": values} | ({"layers": layers} if layers else {})


def compressed(model: LanguageModel, folder: Path, *steps: Step, **settings: Any) -> Compressed:
    """`steps` applied to `model`, calibrated on `calibration_file`."""
    protocol = Protocol(calibration=calibration_file(folder), calibration_tokens=512, context=32, **settings)
    return compress(model, Recipe.from_dict({"steps": list(steps)}), protocol)


def step_of(message: str) -> int:
    """The training step that a message of progress tells of; 0 for any other message."""
    return message.values.get("step", 0) if isinstance(message, Message) else 0
