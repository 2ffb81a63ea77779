"""Numbers of every GGUF type, against gguf-py's own dequantizers, and what they are kept as."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf.quants import _type_traits, dequantize

from optlab.errors import ModelError
from optlab.models.gguf.blocks import weights
from optlab.models.gguf.header import read_header

Kind = gguf.GGMLQuantizationType
QUANTIZED = sorted((kind for kind in _type_traits if kind != Kind.BF16), key=lambda kind: kind.name)
ROWS, COLUMNS = 96, 4096
"""More numbers than one piece has."""


def file_with(
    tmp_path: Path, data: np.ndarray, kind: Kind | None = None, endian: gguf.GGUFEndian | None = None
) -> Path:
    options = {} if endian is None else {"endianess": endian}
    writer = gguf.GGUFWriter(tmp_path / "t.gguf", "llama", **options)
    writer.add_tensor("t.weight", data, raw_dtype=kind)
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()
    return tmp_path / "t.gguf"


def read(file: Path) -> np.ndarray:
    (tensor,) = read_header(file).tensors
    return weights(tensor)


def random_blocks(kind: Kind) -> np.ndarray:
    """Random bytes whose blocks are numbers: bytes with 0x40 cleared make no infinity, as halves or as exponents."""
    block, size = gguf.GGML_QUANT_SIZES[kind]
    data = np.random.default_rng(0).integers(0, 256, (ROWS, COLUMNS // block * size), dtype=np.uint8)
    return data & np.uint8(0xBF)


@pytest.mark.parametrize("kind", QUANTIZED, ids=lambda kind: kind.name)
def test_every_quantized_type_is_what_gguf_py_makes_of_it(tmp_path: Path, kind: Kind) -> None:
    data = random_blocks(kind)
    expected = dequantize(data, kind)
    assert np.isfinite(expected).all()
    found = read(file_with(tmp_path, data, kind))
    largest = np.abs(expected).max(axis=1)
    fits = ((largest == 0) | ((largest >= 2.0**-14) & (largest <= 65504.0))).all()
    assert found.dtype == (np.float16 if fits else np.float32)
    assert np.array_equal(found, expected.astype(found.dtype))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.int16, np.int32, np.int64])
def test_plain_types_keep_their_values(tmp_path: Path, dtype: type) -> None:
    values = (100 * np.random.default_rng(0).standard_normal((ROWS, COLUMNS))).astype(dtype)
    for endian in (None, gguf.GGUFEndian.BIG):
        found = read(file_with(tmp_path, values, endian=endian))
        assert np.array_equal(found.astype(np.float32), values.astype(np.float32))


def test_bfloat16_stays_bfloat16(tmp_path: Path) -> None:
    values = 1e-20 * np.random.default_rng(0).standard_normal((8, 64)).astype(np.float32)
    stored = gguf.quants.quantize(values, Kind.BF16)
    found = read(file_with(tmp_path, stored, Kind.BF16))
    assert found.dtype == np.uint16
    assert np.array_equal(found.view(np.uint8), stored)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([0.5, -2.0, 0.0], np.float16),
        ([0.1, 1.0, 2.0], np.float32),
        ([1e-7, 0, 0], np.float32),
        ([1e6, 0, 0], np.float32),
    ],
)
def test_float32_becomes_float16_only_where_nothing_is_lost(tmp_path: Path, values: list[float], dtype: type) -> None:
    array = np.array([values], dtype=np.float32)
    found = read(file_with(tmp_path, array))
    assert found.dtype == dtype
    assert np.array_equal(found, array)


@pytest.mark.parametrize(("size", "dtype"), [(1.0, np.float16), (1e-5, np.float32), (1e7, np.float32)])
def test_quantized_weights_that_float16_cannot_hold_stay_float32(tmp_path: Path, size: float, dtype: type) -> None:
    values = np.random.default_rng(0).standard_normal((4, 64)).astype(np.float32) * min(size, 1.0)
    data = gguf.quants.quantize(values, Kind.Q8_0)
    if size > 1:
        data = data.reshape(-1, 34).copy()
        data[:, :2] = np.array([1000.0], dtype=np.float16).view(np.uint8)
        data = data.reshape(4, -1)
    found = read(file_with(tmp_path, data, Kind.Q8_0))
    assert found.dtype == dtype
    assert np.array_equal(found, dequantize(data, Kind.Q8_0).astype(dtype))


@pytest.mark.parametrize("kind", [Kind.F32, Kind.F16, Kind.BF16, Kind.Q8_0, Kind.Q4_K])
def test_what_is_not_a_number_is_refused_by_name(tmp_path: Path, kind: Kind) -> None:
    if kind in (Kind.F32, Kind.F16):
        data: np.ndarray = np.full((2, 256), np.nan, dtype=np.float32 if kind == Kind.F32 else np.float16)
    else:
        block, size = gguf.GGML_QUANT_SIZES[kind]
        data = np.full((2, 256 // block * size), 0xFF, dtype=np.uint8)
    with pytest.raises(ModelError, match=r"t\.gguf is damaged: t\.weight holds values that are not numbers"):
        read(file_with(tmp_path, data, kind))


@pytest.mark.parametrize("kind", [Kind.Q8_1, Kind.Q8_K, Kind.Q1_0])
def test_a_type_without_a_dequantizer_is_refused_by_name(tmp_path: Path, kind: Kind) -> None:
    block, size = gguf.GGML_QUANT_SIZES[kind]
    data = np.zeros((2, 256 // block * size), dtype=np.uint8)
    with pytest.raises(ModelError, match=f"stores t.weight as {kind.name}, which cannot be read"):
        read(file_with(tmp_path, data, kind))


def test_blocks_in_a_big_endian_file_are_refused(tmp_path: Path) -> None:
    data = gguf.quants.quantize(np.ones((2, 64), dtype=np.float32), Kind.Q8_0)
    with pytest.raises(ModelError, match=r"big-endian.*Q8_0"):
        read(file_with(tmp_path, data, Kind.Q8_0, gguf.GGUFEndian.BIG))
