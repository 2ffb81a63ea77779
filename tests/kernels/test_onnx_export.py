"""An exported ONNX graph holds the very codes, and ONNX Runtime computes with them what we do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from optlab.compression import Compressed, compress
from optlab.errors import MeasurementError, ModelError
from optlab.formats.integer_grid import in_groups, minmax
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.kernels.onnx_graph import block_of, pairs
from optlab.models import load
from optlab.paths import ASSETS
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.runtimes import open_runtime
from tests.tiny import tiny_model_folder

pytest.importorskip("onnx", reason="the package onnx is not installed")
pytest.importorskip("onnxruntime", reason="the package onnxruntime is not installed")

from optlab.kernels.onnx_export import export
from optlab.runtimes.onnx_runtime import OnnxRuntime

FAMILIES = ("llama", "mistral", "qwen2", "gemma")
HEAD = {"quantize": {"bits": 8, "group_size": 32}, "layers": "lm_head"}
RECIPES = {
    "dense": [],
    "int4": [{"quantize": {"bits": 4, "group_size": 32}}],
    "int8": [{"quantize": {"bits": 8, "group_size": None, "symmetric": True}}],
    "3 bits, a head of 8": [{"quantize": {"bits": 3, "group_size": 32, "symmetric": True}}, HEAD],
    "a float zero": [{"quantize": {"bits": 4, "group_size": 32, "zero_point": "float"}}],
    "pruned": [{"prune": {"sparsity": 0.5}}],
}
IDS = torch.randint(4, 150, (40,), generator=torch.Generator().manual_seed(0)).tolist()


def compressed(name: str, steps: list) -> Compressed:
    model = load(name, "float32", "cpu")
    return compress(model, Recipe.from_dict({"steps": steps}), Protocol(calibration_tokens=1024))


def close(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return float((found - expected).norm() / expected.norm()) < 1e-5


@pytest.mark.parametrize("steps", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("family", FAMILIES)
def test_onnx_runtime_computes_what_we_compute(family: str, steps: list, tmp_path: Path) -> None:
    made = compressed(str(tiny_model_folder(family, tmp_path / "m")), steps)
    export(made, tmp_path / "out.onnx")
    theirs = OnnxRuntime(tmp_path / "out.onnx")
    with torch.inference_mode():
        expected = made.model.logits(torch.tensor([IDS]))[0]
    assert close(theirs.logits(IDS), expected)
    # In parts, each after the keys and values of those before.
    theirs.reset()
    parts = [theirs.logits(some) for some in (IDS[:7], IDS[7:8], IDS[8:25], IDS[25:])]
    assert close(torch.cat(parts), expected)


@pytest.mark.parametrize(("bits", "group", "kind"), [(4, 32, "int4"), (2, 96, "int4"), (3, None, "int4"),
                                                       (5, 32, "int8"), (8, 64, "int8")])  # fmt: skip
def test_codes_are_written_as_codes_whatever_their_group(bits: int, group: int | None, kind: str) -> None:
    onnx = pytest.importorskip("onnx")
    from optlab.kernels.onnx_graph import Graph

    W = torch.randn(5, 192, generator=torch.Generator().manual_seed(bits))
    stored = QuantizedTensor.of(W, minmax(in_groups(W, group), bits, "integer"), group)
    graph = Graph()
    graph.linear("x", "one", W, None, stored)
    assert graph.kinds == {kind: 1}
    node = graph.nodes[-1]
    block = onnx.helper.get_node_attr_value(node, "block_size")
    codes, scale, zero = (onnx.numpy_helper.to_array(graph.constants[name]) for name in node.input[1:])
    if kind == "int4":
        codes = np.stack([codes & 15, codes >> 4], axis=-1).reshape(5, -1, block)
        zero = np.stack([zero.reshape(5, -1) & 15, zero.reshape(5, -1) >> 4], axis=-1).reshape(5, -1)
    blocks = 192 // block
    zero = zero.reshape(5, -1)[:, :blocks, None].astype(np.float32)
    read = (codes.reshape(5, blocks, block) - zero) * scale.reshape(5, blocks, 1)
    np.testing.assert_array_equal(read.reshape(5, 192), stored.dequantize().numpy())


def test_an_odd_number_of_codes_is_filled_up() -> None:
    assert pairs(np.array([[1, 2, 3]], np.uint8)).tolist() == [[0x21, 0x03]]


def test_groups_without_a_block_stay_numbers() -> None:
    W = torch.randn(4, 72)
    stored = QuantizedTensor.of(W, minmax(in_groups(W, 24), 4, "integer"), 24)
    assert block_of(stored) is None


def test_nano_in_4_bits_takes_the_bytes_of_its_codes(tmp_path: Path) -> None:
    made = compressed(str(ASSETS / "nano"), [{"quantize": {"bits": 4, "group_size": 64}}])
    assert export(made, tmp_path / "nano.onnx")["int4"] == len(made.stored)
    weights = sum(stored.shape[0] * stored.shape[1] for stored in made.stored.values())
    codes = weights // 2 + weights // 64 * 4.5
    dense = 2 * made.model.weight("model.embed_tokens").numel()
    assert codes + dense < (tmp_path / "nano.onnx").stat().st_size < codes + dense + 200_000


def test_the_command_line_chooses_by_the_ending(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from optlab.cli.main import main

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["optlab", "export", str(ASSETS / "nano"), str(tmp_path / "n.onnx"), "--json"])
        assert main() == 0
        patch.setattr("sys.argv", ["optlab", "export", str(ASSETS / "nano"), str(tmp_path / "n.bin")])
        assert main() != 0
    assert "neither in .gguf" in capsys.readouterr().err
    assert open_runtime(tmp_path / "n.onnx").prefill([5, 6, 7]).shape == (4096,)


def test_what_cannot_be_expressed_is_one_sentence(tmp_path: Path) -> None:
    other = load(str(tiny_model_folder("opt", tmp_path / "m")), "float32", "cpu")
    with pytest.raises(ModelError, match="only models of the Llama family"):
        export(other, tmp_path / "x.onnx")
    windowed = load(str(tiny_model_folder("gemma2", tmp_path / "g")), "float32", "cpu")
    with pytest.raises(ModelError, match="a gemma2 with other habits: attention_cap, attention_scale, logit_cap"):
        export(windowed, tmp_path / "x.onnx")
    with pytest.raises(ModelError, match="does not round activations"):
        export(compressed(str(ASSETS / "nano"), [{"quantize": {"method": "dynamic"}}]), tmp_path / "x.onnx")
    with pytest.raises(ModelError, match="cannot be written"):
        export(load(str(ASSETS / "nano"), "float32", "cpu"), tmp_path / "nowhere" / "x.onnx")
    (tmp_path / "x.onnx").write_bytes(b"nothing")
    with pytest.raises(MeasurementError, match=r"cannot read x\.onnx"):
        open_runtime(tmp_path / "x.onnx")
    with pytest.raises(MeasurementError, match="there is no file"):
        open_runtime(tmp_path / "y.onnx")
    with pytest.raises(MeasurementError, match=r"nothing runs x\.bin"):
        open_runtime(tmp_path / "x.bin")


@pytest.mark.slow
@pytest.mark.parametrize("bits", [8, 4])
def test_smollm2_writes_the_same_greedy_text(bits: int, tmp_path: Path) -> None:
    made = compressed("smollm2-135m", [{"quantize": {"bits": bits, "group_size": 64}}])
    export(made, tmp_path / "m.onnx")
    theirs = OnnxRuntime(tmp_path / "m.onnx")
    ids = made.model.tokenizer.encode("The capital of France is")
    written = [int(theirs.prefill(ids).argmax())]
    while len(written) < 32:
        written.append(int(theirs.decode(written[-1]).argmax()))
    with torch.inference_mode():
        ours = made.model.logits(torch.tensor([ids + written[:-1]]))[0, len(ids) - 1 :].argmax(-1)
    assert ours.tolist() == written
    assert "Paris" in made.model.tokenizer.decode(written)
