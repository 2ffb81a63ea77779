"""GGUF files become folders whose model computes the same, once, whole or not at all."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import gguf
import pytest
import torch
import transformers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optlab.errors import Cancelled, ModelError
from optlab.models import conversion, load
from optlab.models import convert as convert_module
from optlab.models.catalog import resolve
from optlab.models.convert import convert, converted_folder
from optlab.models.tokenizer import Tokenizer
from tests.models.ggufs import write_gguf
from tests.tiny import TEXT, VOCABULARY, tiny_model_folder

Tiny = Callable[[str], Path]
Kind = gguf.GGMLQuantizationType


@pytest.mark.parametrize("family", ["llama", "qwen2"])
@torch.no_grad()
def test_a_float_gguf_gives_the_logits_of_its_source(tiny: Tiny, tmp_path: Path, family: str) -> None:
    file = write_gguf(tiny(family), tmp_path / "m.gguf")
    ids = torch.arange(4, VOCABULARY).reshape(4, -1)
    expected = load(str(tiny(family)), device="cpu").logits(ids)
    torch.testing.assert_close(load(str(file), device="cpu").logits(ids), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", [Kind.Q4_1, Kind.Q8_0, Kind.F16, Kind.BF16])
@torch.no_grad()
def test_a_quantized_gguf_gives_the_logits_of_transformers_own_reader(tiny: Tiny, tmp_path: Path, kind: Kind) -> None:
    file = write_gguf(tiny("llama"), tmp_path / "m.gguf", kind)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file=file.name, dtype=torch.float32, quantization_config=transformers.GgufConfig(dequantize=True)
    )
    ids = torch.arange(4, VOCABULARY).reshape(4, -1)
    expected = theirs(input_ids=ids).logits
    torch.testing.assert_close(load(str(file), device="cpu").logits(ids), expected, atol=2e-2, rtol=1e-2)


def test_the_conversion_records_how_the_weights_were_stored(tiny: Tiny, tmp_path: Path) -> None:
    file = write_gguf(tiny("llama"), tmp_path / "m.gguf", Kind.Q4_1)
    folder = resolve(str(file))
    assert json.loads((folder / "optlab.json").read_text())["checkpoint"] == {
        "format": "Q4_1", "bits": 4, "block": 32, "layers": 14, "types": {"Q4_1": 1.0}, "mean_bits": 5.0,
        "embedding": "Q4_1", "file_bytes": file.stat().st_size,
    }  # fmt: skip
    assert "already stored as Q4_1: 4 bits in blocks of 32" in str(load(str(file)).description.checkpoint_note)


def test_a_float_gguf_has_no_note(tiny: Tiny, tmp_path: Path) -> None:
    assert load(str(write_gguf(tiny("llama"), tmp_path / "m.gguf"))).description.checkpoint_note is None


def test_transformers_loads_the_converted_folder(tiny: Tiny, tmp_path: Path) -> None:
    folder = resolve(str(write_gguf(tiny("qwen2"), tmp_path / "m.gguf", pre="qwen2")))
    ids = torch.arange(4, 40)[None]
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        torch.testing.assert_close(load(str(folder)).logits(ids), theirs(ids).logits, atol=2e-5, rtol=1e-4)
    expected = transformers.AutoTokenizer.from_pretrained(folder)(TEXT).input_ids
    assert Tokenizer.from_folder(folder).encode(TEXT) == expected


@pytest.mark.parametrize(
    "rope",
    [
        {"rope_type": "linear", "factor": 4.0},
        {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
         "original_max_position_embeddings": 8192},
    ],
)  # fmt: skip
@torch.no_grad()
def test_scaled_rotary_positions_are_kept(tmp_path: Path, rope: dict[str, object]) -> None:
    source = tiny_model_folder("llama", tmp_path, rope_parameters={**rope, "rope_theta": 500_000.0})
    theirs = transformers.AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
    folder = resolve(
        str(write_gguf(source, tmp_path / "m.gguf", rope_inverse=theirs.model.rotary_emb.inv_freq.numpy()))
    )
    written = json.loads((folder / "config.json").read_text())["rope_parameters"]
    assert written == pytest.approx({**rope, "rope_theta": 500_000.0})
    ids = torch.arange(4, 64)[None]
    torch.testing.assert_close(load(str(folder)).logits(ids), theirs(ids).logits, atol=2e-2, rtol=1e-2)


def test_the_tokenizer_survives(tiny: Tiny, tmp_path: Path) -> None:
    folder = resolve(str(write_gguf(tiny("llama"), tmp_path / "m.gguf")))
    assert Tokenizer.from_folder(folder).encode(TEXT) == Tokenizer.from_folder(tiny("llama")).encode(TEXT)
    assert Tokenizer.from_folder(folder).special_id("eos") == 1


def test_a_pre_tokenizer_not_known_here_is_refused_by_name(tiny: Tiny, tmp_path: Path) -> None:
    file = write_gguf(tiny("llama"), tmp_path / "m.gguf", pre="something-new")
    with pytest.raises(ModelError, match=r"m\.gguf cannot be read: its pre-tokenizer 'something-new'"):
        resolve(str(file))


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_file_is_one_sentence(tiny: Tiny, tmp_path: Path, kept: float) -> None:
    whole = write_gguf(tiny("llama"), tmp_path / "m.gguf").read_bytes()
    (tmp_path / "cut.gguf").write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(ModelError, match=r"cut\.gguf is (truncated or damaged|not a GGUF file)"):
        resolve(str(tmp_path / "cut.gguf"))
    assert not converted_folder(tmp_path / "cut.gguf", "cut").exists()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=st.dictionaries(st.integers(0, 6000), st.integers(0, 255), min_size=1, max_size=4))
def test_damage_anywhere_in_the_metadata_is_converted_or_refused(tiny: Tiny, damage: dict[int, int]) -> None:
    folder = tiny("llama")
    whole = write_gguf(folder, folder.parent / "whole.gguf").read_bytes()
    file = folder.parent / "damaged.gguf"
    file.write_bytes(bytes(damage.get(place, byte) for place, byte in enumerate(whole)))
    try:
        assert (convert(file, "damaged") / "config.json").is_file()
    except ModelError as error:
        assert "\n" not in str(error)  # noqa: PT017  both outcomes are right


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"\x80\x04pickle" * 100)
    with pytest.raises(ModelError, match="not a GGUF file"):
        resolve(str(tmp_path / "x.gguf"))


def test_a_conversion_that_stops_leaves_nothing_and_the_next_one_works(tiny: Tiny, tmp_path: Path) -> None:
    file = write_gguf(tiny("llama"), tmp_path / "m.gguf")

    def stop_in_the_middle(fraction: float, message: str, partial: object = None) -> None:
        if fraction > 0.5:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        convert(file, "stops", stop_in_the_middle)
    models = converted_folder(file, "stops").parent
    assert not [path for path in models.glob("*stops*") if path.is_dir()]
    left = models / f".{converted_folder(file, 'stops').name}-killed"
    left.mkdir()
    assert (convert(file, "stops") / "config.json").is_file()
    assert not left.exists()


def test_a_full_disk_is_one_sentence(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(convert_module, "write_json", full)
    with pytest.raises(ModelError, match=r"disk .* is full"):
        convert(write_gguf(tiny("llama"), tmp_path / "m.gguf"), "full")
    assert not list(converted_folder(tmp_path / "m.gguf", "full").parent.glob("*full*/*"))


def test_two_processes_at_once_make_one_folder(tiny: Tiny, tmp_path: Path) -> None:
    file = write_gguf(tiny("llama"), tmp_path / "m.gguf")
    code = "import sys, pathlib, optlab.models.convert as c; print(c.convert(pathlib.Path(sys.argv[1]), 'twice'))"
    command = [sys.executable, "-c", code, str(file)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in "ab"]
    folders = {process.communicate(timeout=60)[0].strip() for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert len(folders) == 1
    assert (Path(folders.pop()) / "model.safetensors").is_file()


def test_large_models_are_written_in_shards(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "SHARD_BYTES", 20_000)
    folder = convert(write_gguf(tiny("llama"), tmp_path / "m.gguf"), "shards")
    assert len(list(folder.glob("model-*-of-*.safetensors"))) > 1
    ids = torch.arange(4, 40)[None]
    with torch.no_grad():
        expected = load(str(tiny("llama"))).logits(ids)
        torch.testing.assert_close(load(str(folder)).logits(ids), expected, atol=2e-2, rtol=1e-2)
