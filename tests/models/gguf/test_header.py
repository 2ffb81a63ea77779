"""The header of a GGUF file: what gguf-py wrote is read, what lies about itself costs nothing and is one sentence."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import gguf
import numpy as np
import pytest

from optlab.errors import ModelError
from optlab.models.gguf.header import read_header

STRING, ARRAY, UINT32 = 8, 9, 4


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def pair(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def tensor(name: str, sizes: list[int], kind: int = 0, offset: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset)


def write(folder: Path, *parts: bytes, version: int = 3, tensors: int = 0, pairs: int = 0, data: int = 0) -> Path:
    file = folder / "x.gguf"
    head = b"GGUF" + struct.pack("<IQQ", version, tensors, pairs) + b"".join(parts)
    file.write_bytes(head + bytes(-len(head) % 32) + bytes(data))
    return file


def test_every_kind_of_value_is_read_as_gguf_py_wrote_it(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "x.gguf", "llama")
    values = {
        "uint8": 200, "int8": -3, "uint16": 60_000, "int16": -300, "uint32": 4_000_000_000, "int32": -70_000,
        "float32": 0.5, "uint64": 1 << 60, "int64": -(1 << 60), "float64": 0.1, "bool": True, "string": "žluťoučký",
    }  # fmt: skip
    for name, value in values.items():
        getattr(writer, f"add_{name}")(f"a.{name}", value)
    lists = {"strings": ["a", "", "ü"], "numbers": [1, 2, 3], "floats": [0.5, 1.5]}
    for name, value in lists.items():
        writer.add_array(f"a.{name}", value)
    writer.add_tensor("t", np.arange(6, dtype=np.float32).reshape(2, 3))
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()
    header = read_header(tmp_path / "x.gguf")
    assert {key.removeprefix("a."): value for key, value in header.values.items() if key.startswith("a.")} == {
        **values, **lists,
    }  # fmt: skip
    (found,) = header.tensors
    assert (found.name, found.shape, found.kind.name, found.bytes) == ("t", (2, 3), "F32", 24)


LIES = {
    "tensors": lambda folder: write(folder, tensors=1 << 60),
    "pairs": lambda folder: write(folder, pairs=1 << 60),
    "a key": lambda folder: write(folder, struct.pack("<Q", 1 << 60), pairs=1, data=64),
    "a string": lambda folder: write(folder, pair("k", STRING, struct.pack("<Q", 1 << 62)), pairs=1, data=64),
    "an array": lambda folder: write(folder, pair("k", ARRAY, struct.pack("<IQ", UINT32, 1 << 62)), pairs=1, data=64),
    "strings": lambda folder: write(folder, pair("k", ARRAY, struct.pack("<IQ", STRING, 1 << 60)), pairs=1, data=64),
    "dimensions": lambda folder: write(folder, text("t") + struct.pack("<I", 1 << 30), tensors=1, data=64),
    "shape": lambda folder: write(folder, tensor("t", [1 << 30, 1 << 30]), tensors=1, data=64),
    "offset": lambda folder: write(folder, tensor("t", [4], offset=1 << 40), tensors=1, data=64),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_short_file_that_claims_to_be_huge_costs_nothing(tmp_path: Path, lie: str) -> None:
    file = LIES[lie](tmp_path)
    read_header_of_nothing = pytest.raises(ModelError, match=r"x\.gguf is truncated or damaged")
    tracemalloc.start()
    try:
        with read_header_of_nothing:
            read_header(file)
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ({"version": 1}, "GGUF version 1, which llama.cpp reads no longer"),
        ({"version": 4}, "GGUF version 4; versions 2 and 3 are read"),
        ({"parts": [tensor("t", [32], 31)], "tensors": 1, "data": 64}, r"stores t as type 31 \(Q4_0_4_4\)"),
        ({"parts": [tensor("t", [32], 99)], "tensors": 1, "data": 64}, "stores t as type 99, which is not a type"),
        ({"parts": [tensor("t", [0])], "tensors": 1, "data": 64}, r"t has shape \[0\], which holds no numbers"),
        ({"parts": [tensor("t", [20], 2)], "tensors": 1, "data": 64}, "rows of t have 20 numbers, not blocks of 32"),
        ({"parts": [tensor("t", [4])] * 2, "tensors": 2, "data": 64}, "it holds t twice"),
        ({"parts": [pair("k", 77, b"")], "pairs": 1, "data": 64}, "truncated or damaged"),
        ({"parts": [pair("k", 4, b"1234")] * 2, "pairs": 2, "data": 64}, "truncated or damaged"),
        ({"parts": [pair("general.alignment", 4, struct.pack("<I", 3))], "pairs": 1}, "truncated or damaged"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, file: dict, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        read_header(write(tmp_path, *file.pop("parts", ()), **file))


def test_arrays_of_arrays_are_read_and_too_deep_ones_are_not(tmp_path: Path) -> None:
    inner = struct.pack("<IQII", UINT32, 2, 7, 8)
    nested = struct.pack("<IQ", ARRAY, 2) + inner + inner
    assert read_header(write(tmp_path, pair("k", ARRAY, nested), pairs=1, data=64)).values == {"k": [[7, 8], [7, 8]]}
    deep = struct.pack("<IQ", ARRAY, 1) * 100_000 + inner
    with pytest.raises(ModelError, match="truncated or damaged"):
        read_header(write(tmp_path, pair("k", ARRAY, deep), pairs=1, data=64))


def test_a_value_in_another_encoding_is_no_reason_to_refuse(tmp_path: Path) -> None:
    latin = "für".encode("latin-1")
    file = write(tmp_path, pair("general.name", STRING, struct.pack("<Q", len(latin)) + latin), pairs=1, data=64)
    assert read_header(file).values == {"general.name": "f\N{REPLACEMENT CHARACTER}r"}


def test_a_folder_with_the_name_of_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").mkdir()
    with pytest.raises(ModelError, match="cannot read"):
        read_header(tmp_path / "x.gguf")


def test_an_empty_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"")
    with pytest.raises(ModelError, match="not a GGUF file"):
        read_header(tmp_path / "x.gguf")
