"""A folder that cannot be trusted or read is refused with a sentence; every sound layout of files loads."""

from __future__ import annotations

import json
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from optlab.errors import ModelError
from optlab.models import load
from optlab.models.checkpoint import open_checkpoint, read_header
from tests.tiny import tiny_model_folder, write_tokenizer

Tiny = Callable[[str], Path]


@pytest.fixture
def folder(tiny: Tiny, tmp_path: Path) -> Path:
    """A Llama that the test may damage."""
    return Path(shutil.copytree(tiny("llama"), tmp_path / "llama"))


def refused(folder: Path, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence) as caught:
        load(str(folder), device="cpu")
    assert "\n" not in str(caught.value)


def test_header_equals_what_the_library_reads(folder: Path) -> None:
    expected = load_file(folder / "model.safetensors")
    entries = {entry.name: entry for entry in read_header(folder / "model.safetensors")}
    assert {name: entry.shape for name, entry in entries.items()} == {n: tuple(t.shape) for n, t in expected.items()}
    raw = (folder / "model.safetensors").read_bytes()
    for name, entry in entries.items():
        assert raw[entry.start : entry.end] == expected[name].numpy().tobytes()


def test_a_pickle_renamed_to_safetensors_is_named_for_what_it_is(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(pickle.dumps({"a": 1}))
    refused(folder, "is a pickle")
    torch.save({"a": torch.zeros(1)}, folder / "model.safetensors")
    refused(folder, "is a pickle")


@pytest.mark.parametrize("kept", [0, 4, 9, 500, 20_000, -1])
def test_truncated_safetensors(folder: Path, kept: int) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    refused(folder, "truncated|damaged|empty")


def test_damaged_header(folder: Path) -> None:
    file = folder / "model.safetensors"
    raw = bytearray(file.read_bytes())
    raw[8:40] = b"\xff" * 32
    file.write_bytes(raw)
    refused(folder, "damaged")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=st.dictionaries(st.integers(0, 3000), st.integers(0, 255), min_size=1, max_size=4))
def test_a_header_with_any_damage_is_read_or_refused(tiny: Tiny, damage: dict[int, int]) -> None:
    raw = bytearray((tiny("llama") / "model.safetensors").read_bytes())
    for place, byte in damage.items():
        raw[place] = byte
    file = tiny("llama").parent / "damaged.safetensors"
    file.write_bytes(raw)
    try:
        assert all(entry.end <= len(raw) for entry in read_header(file))
    except ModelError as error:
        assert "\n" not in str(error)  # noqa: PT017  both outcomes are right


def test_a_header_that_points_outside_the_file(folder: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"1234")
    refused(folder, "truncated")


def test_bytes_that_no_tensor_claims(folder: Path) -> None:
    with (folder / "model.safetensors").open("ab") as stream:
        stream.write(b"hidden")
    refused(folder, "do not fill the file")


def test_no_config(folder: Path) -> None:
    (folder / "config.json").unlink()
    refused(folder, r"no config\.json")


@pytest.mark.parametrize("text", ["{", "[]", "\ufeff", ""])
def test_malformed_config(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text, encoding="utf-8")
    refused(folder, "not valid JSON|must hold a JSON object")


def test_only_a_pickled_checkpoint(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    refused(folder, r"only pytorch_model\.bin, a pickle")


def test_no_weights_at_all(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    refused(folder, "holds no weights")


def test_missing_and_extra_tensors_are_named(folder: Path) -> None:
    file = folder / "model.safetensors"
    weights = load_file(file)
    saved = weights.pop("model.norm.weight")
    save_file(weights, file)
    refused(folder, r"lacks 1 tensors .*model\.norm\.weight")
    save_file({**weights, "model.norm.weight": saved, "model.surprise": saved.clone()}, file)
    refused(folder, r"holds 1 tensors .*model\.surprise")
    save_file({**weights, "model.norm.weight": torch.ones(5)}, file)
    refused(folder, r"stores model\.norm\.weight with shape \[5\]")


@pytest.mark.parametrize("family", ["gpt2", "bert"])
def test_missing_tensors_are_named_in_other_families(tiny: Tiny, tmp_path: Path, family: str) -> None:
    folder = Path(shutil.copytree(tiny(family), tmp_path / family))
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if "weight" in name and ".1." in name)
    del weights[name]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    refused(folder, f"lacks 1 tensors.*{name}")


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@torch.no_grad()
def test_shards_load_like_one_file(tiny: Tiny, tmp_path: Path, family: str) -> None:
    folder = Path(shutil.copytree(tiny(family), tmp_path / "shards"))
    weights = load_file(folder / "model.safetensors")
    names = sorted(weights)
    (folder / "model.safetensors").unlink()
    halves = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, part in halves.items():
        save_file({name: weights[name] for name in part}, folder / file, metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": {name: file for file, part in halves.items() for name in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    one, two = load(str(tiny(family)), device="cpu"), load(str(folder), device="cpu")
    ids = torch.arange(4, 40)[None]
    assert torch.equal(one.logits(ids), two.logits(ids))
    assert one.fingerprint == two.fingerprint, "the same weights are the same model, however they are split"
    (folder / "model-00002-of-00002.safetensors").unlink()
    refused(folder, r"lacks model-00002-of-00002\.safetensors")


def test_an_index_cannot_point_out_of_its_folder(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder.parent / "model.safetensors")
    index = {"weight_map": {"a": "../model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(folder, r"names '\.\./model\.safetensors'")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@torch.no_grad()
def test_half_precision_checkpoints(tmp_path: Path, dtype: str) -> None:
    model = load(str(tiny_model_folder("llama", tmp_path, dtype)), "float32", "cpu")
    assert model.dtype == torch.float32
    assert model.description.dtype == {"float16": "F16", "bfloat16": "BF16"}[dtype]
    assert sum(layer.bytes for layer in model.description.layers) == 2 * model.description.parameters
    stored = load_file(tmp_path / "model.safetensors")["model.layers.0.mlp.up_proj.weight"]
    assert torch.equal(model.weight("model.layers.0.mlp.up_proj"), stored.float())


@torch.no_grad()
def test_a_tied_head_may_be_stored_too_but_must_agree(tiny: Tiny, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny("qwen2"), tmp_path / "tied"))
    weights = load_file(folder / "model.safetensors")
    assert "lm_head.weight" not in weights
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()
    save_file(weights, folder / "model.safetensors")
    ids = torch.arange(4, 40)[None]
    assert torch.equal(load(str(folder)).logits(ids), load(str(tiny("qwen2"))).logits(ids))
    weights["lm_head.weight"] += 1
    save_file(weights, folder / "model.safetensors")
    refused(folder, "set tie_word_embeddings to false")


def test_a_tokenizer_of_another_model(folder: Path) -> None:
    write_tokenizer(folder, 400)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["added_tokens"].append({**tokenizer["added_tokens"][0], "id": 5000, "content": "<far>"})
    tokenizer["model"]["vocab"]["<far>"] = 5000
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    refused(folder, "do not belong together")


def test_packed_weights_are_refused_by_the_name_of_their_method(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4}
    (folder / "config.json").write_text(json.dumps(config))
    note = load(str(folder)).description.checkpoint_note
    assert note is not None
    assert "quantized with gptq, though its weights are stored as floats" in note
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.0.mlp.up_proj.qweight"] = torch.zeros(4, 4, dtype=torch.int32)
    save_file(weights, folder / "model.safetensors")
    refused(folder, "stores its weights as gptq")


def test_code_in_a_model_folder_is_never_run(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "custom", "auto_map": {"AutoModelForCausalLM": "evil.Model", "AutoConfig": "evil.Config"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text("raise SystemExit('this code ran')")
    refused(folder, "model_type 'custom'")


def test_an_encoder_decoder_is_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": True}
    (folder / "config.json").write_text(json.dumps(config))
    refused(folder, "not a causal or masked language model")


def test_size_is_that_of_the_files(folder: Path) -> None:
    assert open_checkpoint(folder).size_bytes == (folder / "model.safetensors").stat().st_size
