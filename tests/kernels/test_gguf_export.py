"""An exported GGUF holds the very codes, and reading it back gives the very model."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from gguf.quants import dequantize

from optlab.compression import Compressed, compress
from optlab.errors import ModelError
from optlab.formats.integer_grid import in_groups, minmax
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.kernels.gguf_blocks import blocks, kind_of
from optlab.kernels.gguf_export import export, row_order
from optlab.models import load
from optlab.models.gguf.architectures import unpermute
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
    with pytest.raises(ModelError, match="only Llama and Qwen2"):
        export(other, tmp_path / "x.gguf")
    windows = {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}
    windowed = load(str(tiny_model_folder("qwen2", tmp_path / "w", **windows)), "float32", "cpu")
    with pytest.raises(ModelError, match="cannot say what w does otherwise: windows"):
        export(windowed, tmp_path / "x.gguf")
    nano = load(str(ASSETS / "nano"), "float32", "cpu")
    with pytest.raises(ModelError, match="cannot be written"):
        export(nano, tmp_path / "nowhere" / "x.gguf")
    assert not list(tmp_path.glob("*.gguf"))


@pytest.mark.slow
def test_llama_cpp_writes_the_same_greedy_text(tmp_path: Path) -> None:
    llama_cpp = pytest.importorskip("llama_cpp")
    made = compressed("smollm2-135m", [{"quantize": {"bits": 4, "group_size": 64}}])
    export(made, tmp_path / "m.gguf")
    theirs = llama_cpp.Llama(str(tmp_path / "m.gguf"), n_ctx=256, verbose=False)
    said = theirs("The capital of France is", max_tokens=8, temperature=0.0)["choices"][0]["text"]
    assert "Paris" in said
