"""An exported GGUF holds the very codes, and reading it back gives the very model."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
import transformers
from gguf.quants import dequantize

from optlab.compression import Compressed, compress
from optlab.errors import ModelError
from optlab.formats.integer_grid import in_groups, minmax
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.kernels.gguf_blocks import blocks, kind_of
from optlab.kernels.gguf_export import export, row_order
from optlab.models import load
from optlab.models.gguf.architectures import unpermute
from optlab.models.key_values import KeyValueFormat, round_key_values
from optlab.paths import ASSETS
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from tests.tiny import tiny_model_folder

BITS = [(4, False, 64, "Q4_1"), (4, True, 32, "Q4_0"), (3, False, 32, "Q4_1"), (2, True, 96, "Q4_0"),
        (8, True, 64, "Q8_0"), (6, True, 32, "Q8_0")]  # fmt: skip


@pytest.mark.parametrize(("bits", "symmetric", "group", "kind"), BITS)
def test_blocks_are_what_llama_cpps_package_reads_as_the_same_numbers(
    bits: int, symmetric: bool, group: int, kind: str
) -> None:
    W = torch.randn(5, 192)
    grid = minmax(in_groups(W, group), bits, "none" if symmetric else "integer")
    stored = QuantizedTensor.of(W, grid, group)
    assert kind_of(stored) == kind
    read = dequantize(blocks(stored), gguf.GGMLQuantizationType[kind])
    # The offset of Q4_1 is written in 16 bits; everything else is exact.
    np.testing.assert_allclose(read, stored.dequantize().numpy(), atol=0 if symmetric else 4e-3, rtol=0)


def test_what_blocks_cannot_say_is_left_to_float16() -> None:
    W = torch.randn(4, 96)
    for bits, zero, group in ((8, "integer", 32), (4, "integer", 24), (5, "float", 32)):
        stored = QuantizedTensor.of(W, minmax(in_groups(W, group), bits, zero), group)  # type: ignore[arg-type]
        assert kind_of(stored) is None
        with pytest.raises(ValueError, match="cannot be written"):
            blocks(stored)


def test_the_order_of_rows_is_the_inverse_of_the_readers() -> None:
    W = np.arange(24 * 2).reshape(24, 2)
    assert np.array_equal(unpermute(W[row_order(24, 3).numpy()], 3), W)


def compressed(name: str, steps: list) -> Compressed:
    model = load(name, "float32", "cpu")
    return compress(model, Recipe.from_dict({"steps": steps}), Protocol(calibration_tokens=1024))


@pytest.mark.parametrize("family", ["llama", "qwen2"])
@pytest.mark.parametrize("steps", [[], [{"quantize": {"bits": 4, "group_size": 32, "symmetric": True}}]])
def test_reading_it_back_gives_the_same_model(family: str, steps: list, tmp_path: Path) -> None:
    made = compressed(str(tiny_model_folder(family, tmp_path / "m", dtype="float16")), steps)
    counts = export(made, tmp_path / "out.gguf")
    assert counts.get("Q4_0", 0) == (14 if steps else 0)
    back = load(str(tmp_path / "out.gguf"), "float32", "cpu")
    ids = torch.arange(4, 40).unsqueeze(0)
    with torch.inference_mode():
        expected = made.model.logits(ids)
        difference = back.logits(ids) - expected  # the reader keeps what it dequantizes as float16
    assert float(difference.norm() / expected.norm()) < 2e-3
    assert back.tokenizer.encode("The dog, 345 pears.") == made.model.tokenizer.encode("The dog, 345 pears.")


def test_nano_in_4_bits_takes_the_bytes_of_its_blocks(tmp_path: Path) -> None:
    made = compressed(str(ASSETS / "nano"), [{"quantize": {"bits": 4, "group_size": 64}}])
    assert export(made, tmp_path / "nano.gguf")["Q4_1"] == len(made.stored)
    codes = sum(stored.shape[0] * stored.shape[1] for stored in made.stored.values()) * 20 // 32
    dense = 2 * made.model.weight("model.embed_tokens").numel()
    assert codes + dense < (tmp_path / "nano.gguf").stat().st_size < codes + dense + 400_000
    text = "ROMEO: But soft, what light?\nIt's 1595."
    assert load(str(tmp_path / "nano.gguf"), "float32", "cpu").tokenizer.encode(text) == made.model.tokenizer.encode(
        text
    )


def test_what_cannot_be_expressed_is_one_sentence(tmp_path: Path) -> None:
    other = load(str(tiny_model_folder("gpt2", tmp_path / "m")), "float32", "cpu")
    with pytest.raises(ModelError, match="only Llama, Mistral and Qwen2"):
        export(other, tmp_path / "x.gguf")
    windows = {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}
    windowed = load(str(tiny_model_folder("qwen2", tmp_path / "w", **windows)), "float32", "cpu")
    with pytest.raises(ModelError, match="does otherwise: windows"):
        export(windowed, tmp_path / "x.gguf")
    nano = load(str(ASSETS / "nano"), "float32", "cpu")
    with pytest.raises(ModelError, match="cannot be written"):
        export(nano, tmp_path / "nowhere" / "x.gguf")
    assert not list(tmp_path.glob("*.gguf"))


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2"])
def test_transformers_own_reader_gets_the_same_logits(family: str, tmp_path: Path) -> None:
    made = compressed(str(tiny_model_folder(family, tmp_path / "m")), [{"quantize": {"bits": 4, "group_size": 32}}])
    export(made, tmp_path / "out.gguf")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file="out.gguf", dtype=torch.float32,
        quantization_config=transformers.GgufConfig(dequantize=True),
    )  # fmt: skip
    ids = torch.arange(4, 40).unsqueeze(0)
    with torch.inference_mode():
        expected = made.model.logits(ids)
        assert float((theirs(ids).logits - expected).norm() / expected.norm()) < 2e-3
    own = transformers.AutoTokenizer.from_pretrained(tmp_path, gguf_file="out.gguf")
    assert own("The dog, 345 pears.", add_special_tokens=False).input_ids == made.model.tokenizer.encode(
        "The dog, 345 pears."
    )


@pytest.mark.parametrize(
    "rope",
    [
        {"rope_type": "linear", "factor": 4.0},
        {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
         "original_max_position_embeddings": 8192},
        {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 2.0,
         "original_max_position_embeddings": 32},
    ],
)  # fmt: skip
def test_scaled_positions_are_written(rope: dict, tmp_path: Path) -> None:
    source = tiny_model_folder("llama", tmp_path / "m", rope_parameters={**rope, "rope_theta": 500_000.0})
    made = load(str(source), "float32", "cpu")
    export(made, tmp_path / "out.gguf")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
    if rope["rope_type"] == "llama3":
        (stored,) = (t for t in gguf.GGUFReader(tmp_path / "out.gguf").tensors if t.name == "rope_freqs.weight")
        plain = 500_000.0 ** -(np.arange(4) / 4)
        np.testing.assert_allclose(plain / stored.data, theirs.model.rotary_emb.inv_freq.numpy(), rtol=1e-5)
    ids = torch.arange(4, 64).unsqueeze(0)
    with torch.inference_mode():
        expected = theirs(ids).logits
        back = load(str(tmp_path / "out.gguf"), "float32", "cpu").logits(ids)
    assert float((back - expected).norm() / expected.norm()) < 2e-3


@pytest.mark.parametrize("begins", [True, False])
def test_bos_is_written_as_the_tokenizer_says_it(begins: bool, tmp_path: Path) -> None:
    folder = tiny_model_folder("llama", tmp_path / "m")
    change_json(folder / "tokenizer_config.json", bos_token="<|end|>", add_bos_token=begins)
    export(load(str(folder), "float32", "cpu"), tmp_path / "out.gguf")
    field = gguf.GGUFReader(tmp_path / "out.gguf").get_field("tokenizer.ggml.add_bos_token")
    assert field is not None
    assert field.contents() is begins
    back = load(str(tmp_path / "out.gguf"), "float32", "cpu").tokenizer
    assert back.framing("causal").before == ((1,) if begins else ())


def test_weights_that_float16_would_lose_are_written_in_full(tmp_path: Path) -> None:
    made = load(str(tiny_model_folder("llama", tmp_path / "m")), "float32", "cpu")
    made.set_weight("model.embed_tokens", 1e-6 * made.weight("model.embed_tokens"))
    export(made, tmp_path / "out.gguf")
    back = load(str(tmp_path / "out.gguf"), "float32", "cpu")
    assert torch.equal(back.weight("model.embed_tokens"), made.weight("model.embed_tokens"))


def change_json(file: Path, **changes: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize(
    ("part", "value", "sentence"),
    [
        ("normalizer", {"type": "Lowercase"}, "splits or normalizes text has no name in GGUF"),
        ("normalizer", {"type": "Prepend", "prepend": "x"}, "splits or normalizes text has no name in GGUF"),
        ("pre_tokenizer", {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
         "splits or normalizes text has no name in GGUF"),
        ("pre_tokenizer", {"type": "Whitespace"}, "splits or normalizes text has no name in GGUF"),
        ("post_processor",
         {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[UNK]", "type_id": 0}},
          {"Sequence": {"id": "A", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}}],
          "special_tokens": {"[UNK]": {"id": "[UNK]", "ids": [3], "tokens": ["[UNK]"]}}},
         r"cannot say that texts begin with '\[UNK\]'"),
    ],
)  # fmt: skip
def test_a_tokenizer_that_llama_cpp_has_no_name_for_is_refused(
    part: str, value: dict, sentence: str, tmp_path: Path
) -> None:
    folder = tiny_model_folder("llama", tmp_path / "m")
    change_json(folder / "tokenizer.json", **{part: value})
    with pytest.raises(ModelError, match=sentence):
        export(load(str(folder), "float32", "cpu"), tmp_path / "out.gguf")
    assert not (tmp_path / "out.gguf").exists()


def test_rounded_keys_and_values_are_refused(tmp_path: Path) -> None:
    made = load(str(tiny_model_folder("llama", tmp_path / "m")), "float32", "cpu")
    round_key_values(made, made.blocks()[0][0], KeyValueFormat(bits=8))
    with pytest.raises(ModelError, match="cannot say that keys and values are rounded"):
        export(made, tmp_path / "out.gguf")


@pytest.mark.slow
def test_llama_cpp_writes_the_same_greedy_text(tmp_path: Path) -> None:
    llama_cpp = pytest.importorskip("llama_cpp")
    made = compressed("smollm2-135m", [{"quantize": {"bits": 4, "group_size": 64}}])
    export(made, tmp_path / "m.gguf")
    theirs = llama_cpp.Llama(str(tmp_path / "m.gguf"), n_ctx=256, verbose=False)
    said = theirs("The capital of France is", max_tokens=8, temperature=0.0)["choices"][0]["text"]
    assert "Paris" in said
