"""Descriptions are the same from any process, and fingerprints change exactly when the model does."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from optlab.errors import Cancelled, ModelError
from optlab.jobs.resolution import settled
from optlab.models import load
from optlab.models.checkpoint import open_checkpoint
from optlab.models.describe import Description, describe, describe_apart
from optlab.models.fingerprint import compute, fingerprint
from optlab.protocol import Protocol
from optlab.texts.names import names
from tests.tiny import FAMILIES, tiny_model_folder

Tiny = Callable[[str], Path]


@pytest.mark.parametrize("family", FAMILIES)
def test_describing_without_weights_equals_describing_the_loaded_model(
    tiny: Tiny, family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load(str(tiny(family)), device="cpu").description
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path))  # nothing remembered
    assert describe(str(tiny(family))) == loaded
    assert describe(str(tiny(family))) == loaded


def test_a_description_survives_json(tiny: Tiny) -> None:
    found = describe(str(tiny("gpt2")))
    assert Description.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_a_process_without_torch_asks_another(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path))
    code = (
        "import sys; from optlab.models.describe import describe; a = describe(sys.argv[1]); b = describe(sys.argv[1]);"
        "assert a == b and not {'torch', 'transformers'} & set(sys.modules); print(a.fingerprint, len(a.linears))"
    )
    command = [sys.executable, "-c", code, str(tiny("llama"))]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == [describe(str(tiny("llama"))).fingerprint, "14"]


def test_the_other_process_passes_errors_on(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))
    with pytest.raises(ModelError, match=r"no config\.json"):
        describe_apart(str(tmp_path))

    def stop(*_: object) -> None:
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        describe_apart(str(tiny("llama")), stop)


def test_a_damaged_memory_is_made_again(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path))
    found = describe(str(tiny("opt")))
    (file,) = (tmp_path / "descriptions").iterdir()
    file.write_text("{")
    assert describe(str(tiny("opt"))) == found


def test_matrices_name_what_a_recipe_may_touch(tiny: Tiny) -> None:
    found = describe(str(tiny("llama")))
    assert len(found.linears) == 14
    assert [name for name, _ in found.matrices[14:]] == ["model.embed_tokens", "lm_head"]
    assert dict(found.linears)["model.layers.1.self_attn.k_proj"] == (16, 32)


def test_the_fingerprint_changes_with_weights_config_and_tokenizer_only(tiny: Tiny, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny("llama"), tmp_path / "m"))
    first = fingerprint(open_checkpoint(folder))
    assert first == fingerprint(open_checkpoint(tiny("llama"))), "a copy is the same model"
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "_name_or_path": "elsewhere"}, indent=7))
    assert fingerprint(open_checkpoint(folder)) == first
    seen = {first}
    (folder / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 0.5}))
    seen.add(fingerprint(open_checkpoint(folder)))
    weights = load_file(folder / "model.safetensors")
    save_file({name: tensor + (name == "model.norm.weight") for name, tensor in weights.items()},
              folder / "model.safetensors")  # fmt: skip
    seen.add(fingerprint(open_checkpoint(folder)))
    save_file({name: tensor.to(torch.float16) for name, tensor in weights.items()}, folder / "model.safetensors")
    seen.add(fingerprint(open_checkpoint(folder)))
    (folder / "tokenizer.json").write_text((folder / "tokenizer.json").read_text() + " ")
    seen.add(fingerprint(open_checkpoint(folder)))
    assert len(seen) == 5
    assert all(len(value) == 64 for value in seen)


def test_the_remembered_fingerprint_is_the_computed_one(tiny: Tiny) -> None:
    checkpoint = open_checkpoint(tiny("neox"))
    assert fingerprint(checkpoint) == fingerprint(checkpoint) == compute(checkpoint)


def test_a_model_of_ones_own_is_measured_on_a_text_that_is_installed(tmp_path: Path) -> None:
    folder = tiny_model_folder("llama", tmp_path / "own")
    text = describe(str(folder)).default_text
    assert text == settled(str(folder), Protocol()).text
    assert not next(card for card in names() if card.name == text).on_hub
