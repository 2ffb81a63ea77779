"""Each format's reader against its published definition, or the library that writes it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from compressed_tensors.compressors.base import BaseCompressor
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from torch import Tensor

from optlab.formats.codebooks import levels
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.models.quantized.registry import FORMATS, format_of
from tests.models.quantized.packing import awq, gptq


@pytest.fixture
def W() -> Tensor:
    return torch.randn(64, 192, generator=torch.Generator().manual_seed(1)) * 0.05


def read(method: str, parts: dict[str, Tensor], **settings: object) -> Tensor:
    found = read_stored(method, parts, **settings)
    return found.dequantize() if isinstance(found, QuantizedTensor) else found


def read_stored(method: str, parts: dict[str, Tensor], **settings: object) -> Tensor | QuantizedTensor:
    format = format_of(method)
    assert format is not None
    assert set(parts) <= set(format.parts)
    return format.read("model.layers.0.mlp.up_proj", parts, settings)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("shuffled", [False, True])
def test_gptq_weights_are_those_of_the_definition(W: Tensor, bits: int, version: int, shuffled: bool) -> None:
    parts, meant = gptq(W, bits, 64, version, shuffled)
    layout = "gptq" if version == 1 else "gptq_v2"
    assert torch.equal(read("gptq", parts, bits=bits, checkpoint_format=layout), meant)


def test_codes_in_order_go_to_the_packed_kernels_as_they_are(W: Tensor) -> None:
    ordered, _ = gptq(W, 4, 64)
    assert isinstance(read_stored("gptq", ordered, bits=4), QuantizedTensor)
    shuffled, _ = gptq(W, 4, 64, shuffled=True)
    assert isinstance(read_stored("gptq", shuffled, bits=4), Tensor)


def test_the_two_versions_of_gptq_are_told_apart(W: Tensor) -> None:
    parts, meant = gptq(W, 4, 64, version=2)
    assert not torch.equal(read("gptq", parts, bits=4, checkpoint_format="gptq"), meant)


def test_awq_weights_are_those_of_the_definition(W: Tensor) -> None:
    parts, meant = awq(W, 64)
    assert torch.equal(read("awq", parts, bits=4, version="gemm"), meant)


@pytest.mark.parametrize("bits", [3, 4, 8])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("size", [None, 64])
@pytest.mark.parametrize("layout", ["pack-quantized", "naive-quantized"])
def test_integers_of_compressed_tensors_are_what_its_library_reads(
    W: Tensor, bits: int, symmetric: bool, size: int | None, layout: str
) -> None:
    args = QuantizationArgs(
        num_bits=bits, symmetric=symmetric, strategy="group" if size else "channel", group_size=size
    )
    scheme = QuantizationScheme(targets=["Linear"], weights=args)
    groups = W.view(64, -1, size or 192)
    low, high = groups.amin(-1).clamp(max=0), groups.amax(-1).clamp(min=0)
    half = 1 << (bits - 1)
    scale = torch.maximum(-low, high) / (half - 0.5) if symmetric else (high - low) / (2 * half - 1)
    zero = torch.zeros_like(scale) if symmetric else (-half - low / scale).round().clamp(-half, half - 1)
    compressor = BaseCompressor.get_value_from_registry(layout)
    given = {"weight": W, "weight_scale": scale, "weight_zero_point": zero.to(torch.int8)}
    packed = compressor.compress(given, scheme)
    meant = compressor.decompress(packed, scheme)["weight"].float()
    settings = {"config_groups": {"group_0": {"targets": ["Linear"], "weights": args.model_dump()}}}
    torch.testing.assert_close(read("compressed-tensors", packed, **settings), meant, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("strategy", ["tensor", "channel", "block"])
def test_float8_of_compressed_tensors_is_what_its_library_reads(W: Tensor, strategy: str) -> None:
    block = [32, 64] if strategy == "block" else None
    args = QuantizationArgs(num_bits=8, type="float", strategy=strategy, block_structure=block)
    scheme = QuantizationScheme(targets=["Linear"], weights=args)
    parts = {"tensor": W.view(1, 1, -1), "channel": W.view(64, 1, -1)}
    blocks = W.view(2, 32, 3, 64).permute(0, 2, 1, 3).reshape(2, 3, -1) if block else parts[strategy]
    scale = blocks.abs().amax(-1) / 448
    compressor = BaseCompressor.get_value_from_registry("float-quantized")
    packed = compressor.compress(
        {"weight": W, "weight_scale": scale.reshape(1) if strategy == "tensor" else scale}, scheme
    )
    assert packed["weight"].dtype == torch.float8_e4m3fn
    meant = compressor.decompress(packed, scheme)["weight"].float()
    settings = {"config_groups": {"group_0": {"targets": ["Linear"], "weights": args.model_dump()}}}
    torch.testing.assert_close(read("compressed-tensors", packed, **settings), meant, rtol=1e-6, atol=1e-8)


def test_a_layer_has_the_bits_of_the_group_that_names_it(W: Tensor) -> None:
    """4 and 3 bits pack 5 codes into one word each, so the shapes do not tell them apart."""
    narrow = W[:, :5].contiguous()
    three = QuantizationArgs(num_bits=3, strategy="channel")
    compressor = BaseCompressor.get_value_from_registry("pack-quantized")
    scheme = QuantizationScheme(targets=["Linear"], weights=three)
    given = {"weight": narrow, "weight_scale": narrow.abs().amax(1, keepdim=True) / 3.5}
    packed = compressor.compress(given, scheme)
    meant = compressor.decompress(packed, scheme)["weight"]
    settings = {
        "config_groups": {
            "group_0": {"targets": ["Linear"], "weights": {"num_bits": 4}},
            "group_1": {"targets": ["re:.*up_proj"], "weights": {"num_bits": 3}},
        }
    }
    torch.testing.assert_close(read("compressed-tensors", packed, **settings), meant, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("book", ["nf4", "fp4"])
@pytest.mark.parametrize("nested", [False, True])
def test_bitsandbytes_weights_are_those_of_the_definition(W: Tensor, book: str, nested: bool) -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 16, W.numel())
    absmax = rng.uniform(0.01, 0.1, W.numel() // 64).astype(np.float32)
    state = {"quant_type": book, "blocksize": 64, "dtype": "float16", "shape": list(W.shape)}
    parts = {
        "weight": torch.from_numpy((codes[::2] << 4 | codes[1::2]).astype(np.uint8)).view(-1, 1),
        "weight.quant_map": levels(book),
        "weight.absmax": torch.from_numpy(absmax),
    }
    if nested:
        chosen = rng.integers(0, 256, len(absmax)).astype(np.uint8)
        ladder, steps = np.sort(rng.uniform(-1, 1, 256)).astype(np.float32), np.array([0.04], dtype=np.float32)
        absmax = ladder[chosen] * steps.repeat(256)[: len(chosen)] + np.float32(0.05)
        state |= {"nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.05}
        parts |= {
            "weight.absmax": torch.from_numpy(chosen),
            "weight.nested_absmax": torch.from_numpy(steps),
            "weight.nested_quant_map": torch.from_numpy(ladder),
        }
    written = np.frombuffer(json.dumps(state).encode(), dtype=np.uint8).copy()
    parts[f"weight.quant_state.bitsandbytes__{book}"] = torch.from_numpy(written)
    meant = levels(book).numpy()[codes] * absmax.repeat(64)
    torch.testing.assert_close(read("bitsandbytes", parts), torch.from_numpy(meant).view(W.shape))


def test_int8_of_bitsandbytes_is_rows_of_127_steps(W: Tensor) -> None:
    largest = W.abs().amax(1)
    codes = (W * 127 / largest[:, None]).round().to(torch.int8)
    parts = {"weight": codes, "SCB": largest, "weight_format": torch.zeros((), dtype=torch.uint8)}
    assert (read("bitsandbytes", parts) - W).abs().max() <= largest.max() / 254 + 1e-6


@pytest.mark.parametrize(("bits", "packing"), [(8, "8bit_u8"), (4, "4bit_u8"), (2, "2bit_u8"), (3, "3bit_32")])
@pytest.mark.parametrize("axis", [0, 1])
def test_hqq_weights_are_those_of_the_definition(W: Tensor, bits: int, packing: str, axis: int) -> None:
    rng = np.random.default_rng(0)
    rows, columns = (W.numel() // 64, 64) if axis == 1 else (64, W.numel() // 64)
    codes = rng.integers(0, 1 << bits, (rows, columns))
    scale = rng.uniform(0.01, 0.02, (rows, 1) if axis == 1 else (1, columns)).astype(np.float16)
    zero = rng.uniform(0, 1 << bits, scale.shape).astype(np.float16)
    count = {2: 4, 3: 10, 4: 2, 8: 1}[bits]
    padded = np.concatenate([codes, np.zeros((-rows % count, columns), dtype=np.int64)])
    packed = sum(part << (bits * (count - 1 - i)) for i, part in enumerate(np.split(padded, count)))
    parts = {
        "W_q": torch.from_numpy(packed.astype(np.int32 if bits == 3 else np.uint8)),
        "scale": torch.from_numpy(scale),
        "zero": torch.from_numpy(zero),
        "nbits": torch.tensor(bits),
        "axis": torch.tensor(axis),
        "group_size": torch.tensor(64),
        "shape": torch.tensor(W.shape),
        "packing": torch.tensor(list(packing.encode()), dtype=torch.uint8),
    }
    meant = ((codes - zero.astype(np.float32)) * scale.astype(np.float32)).reshape(W.shape)
    torch.testing.assert_close(read("hqq", parts), torch.from_numpy(meant.astype(np.float32)))


@pytest.mark.parametrize("shape", [(256, 256), (200, 300)])
def test_float8_blocks_of_128_are_multiplied_by_their_scale(shape: tuple[int, int]) -> None:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(2)).to(torch.float8_e4m3fn)
    scale = torch.rand(-(-shape[0] // 128), -(-shape[1] // 128))
    found = read("fp8", {"weight": values, "weight_scale_inv": scale}, weight_block_size=[128, 128])
    for row, column in ((0, 0), (150, 40), (127, 128), (shape[0] - 1, shape[1] - 1)):
        assert found[row, column] == values[row, column].float() * scale[row // 128, column // 128]


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"quant_method": "awq", "bits": 4, "version": "gemv"}, "gemv"),
        ({"quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin"}, "marlin"),
        ({"quant_method": "compressed-tensors", "format": "marlin-24", "config_groups": {"a": {}}}, "marlin-24"),
    ],
)
def test_a_layout_that_is_not_read_is_named(settings: dict[str, object], word: str) -> None:
    format = format_of(settings["quant_method"])
    assert format is not None
    assert word in str(format.refuses(settings))


def test_no_method_belongs_to_two_formats() -> None:
    methods = [method for format in FORMATS for method in format.methods]
    assert len(methods) == len(set(methods))
