"""`optlab export` says what it cannot write before it compresses anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from optlab import compression
from optlab.cli.main import app
from optlab.errors import OptLabError
from tests.tiny import tiny_model_folder

TRAINED = "steps: [{distill: {steps: 100000}}]"
ROUNDED = "steps: [{quantize: {method: dynamic}}]"


@pytest.mark.parametrize(
    ("family", "out", "recipe", "says"),
    [
        ("gemma3", "model.gguf", TRAINED, "only Llama, Mistral and Qwen2 models are written as GGUF"),
        ("gpt2", "model.onnx", TRAINED, "with other habits"),
        ("llama", "model.gguf", ROUNDED, "cannot say that activations are rounded"),
        ("llama", "model.onnx", ROUNDED, "cannot say that activations are rounded"),
        ("llama", "none/model.gguf", TRAINED, "there is no folder"),
        ("llama", "model.safetensors", TRAINED, "ends neither in .gguf"),
    ],
)
def test_what_cannot_be_written_is_said_before_anything_is_computed(
    family: str, out: str, recipe: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compression, "compress", lambda *_: pytest.fail("it was compressed"))
    (tmp_path / "recipe.yaml").write_text(recipe)
    folder = tiny_model_folder(family, tmp_path / "m")
    words = ["export", str(folder), str(tmp_path / out), "--recipe", str(tmp_path / "recipe.yaml")]
    with pytest.raises(OptLabError, match=says):
        CliRunner().invoke(app, words, catch_exceptions=False, standalone_mode=False)
    assert not (tmp_path / out).exists()
