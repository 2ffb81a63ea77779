"""Which files of a folder are read: shards by their index, tokenizers in older files; anything else is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from optlab.errors import ModelError
from optlab.models import load
from optlab.models.tokenizer import Tokenizer
from tests.models.test_folders import IDS, logits_of_transformers, refused
from tests.tiny import tiny_model_folder

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 123456\n"
WEIGHTS = "model.safetensors"


def shard(folder: Path, places: tuple[str, str]) -> None:
    """Split the weights of `folder` into two files with an index."""
    tensors = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    weight_map = {}
    for number, place in enumerate(places):
        names = sorted(tensors)[number::2]
        (folder / place).parent.mkdir(exist_ok=True)
        save_file({name: tensors[name] for name in names}, folder / place, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(names, place)
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": weight_map}))


@pytest.mark.parametrize("places", [("a.safetensors", "b.safetensors"), ("weights/a.safetensors", "b.safetensors")])
@pytest.mark.parametrize("family", ["llama", "opt"])
def test_shards_are_read_where_the_index_says(family: str, places: tuple[str, str], tmp_path: Path) -> None:
    folder = tiny_model_folder(family, tmp_path)
    expected = logits_of_transformers(folder)
    shard(folder, places)
    torch.testing.assert_close(load(str(folder)).logits(IDS), expected)


def test_a_shard_that_is_missing_or_elsewhere_is_named(tmp_path: Path) -> None:
    folder = tiny_model_folder("llama", tmp_path)
    shard(folder, ("a.safetensors", "b.safetensors"))
    (folder / "b.safetensors").unlink()
    refused(folder, r"lacks b\.safetensors")
    index = folder / f"{WEIGHTS}.index.json"
    for outside in ("../a.safetensors", str(tmp_path / "a.safetensors"), "a.bin"):
        index.write_text(json.dumps({"weight_map": {"model.norm.weight": outside}}))
        refused(folder, "not a safetensors file in its folder")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("pytorch_model.bin", "a pickle"),
        ("tf_model.h5", r"only tf_model\.h5; convert it"),
        ("weights.npz", r"only weights\.npz; convert it"),
        ("model.gguf", r"only model\.gguf; give that file"),
        ("model.safetensors.incomplete", "only model.safetensors.incomplete"),
    ],
)
def test_weights_in_another_format_are_named(name: str, sentence: str, tmp_path: Path) -> None:
    folder = tiny_model_folder("llama", tmp_path)
    (folder / WEIGHTS).rename(folder / name)
    refused(folder, sentence)


def test_a_tokenizer_of_sentencepiece_alone_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_model_folder("llama", tmp_path)
    (folder / "tokenizer.json").rename(folder / "tokenizer.model")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"only as tokenizer\.model, which needs the package sentencepiece"):
        Tokenizer.from_folder(folder)


@pytest.mark.parametrize("name", [WEIGHTS, "tokenizer.json", "config.json"])
def test_what_git_left_in_place_of_a_file_is_called_so(name: str, tmp_path: Path) -> None:
    folder = tiny_model_folder("llama", tmp_path)
    (folder / name).write_text(POINTER)
    refused(folder, f"{name} is a pointer of Git LFS")


def test_a_tokenizer_in_older_files_is_read_or_the_reason_is_said(tmp_path: Path) -> None:
    folder = tiny_model_folder("gpt2", tmp_path)
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    before = load(str(folder)).tokenizer.encode("The dog, 12 apples")
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]))
    refused(folder, r"lacks merges\.txt")
    merges = [one if isinstance(one, str) else " ".join(one) for one in model["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]))
    settings = {"tokenizer_class": "GPT2Tokenizer", "unk_token": "<|end|>", "bos_token": "<|end|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    assert load(str(folder)).tokenizer.encode("The dog, 12 apples") == before
    code = {"tokenizer_class": "Ours", "auto_map": {"AutoTokenizer": ["ours.Ours", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(code))
    (folder / "ours.py").write_text("raise SystemExit")
    refused(folder, "needs the code in its own folder")
