"""The header of a GGUF file: metadata, and type, shape and place of every tensor.

    "GGUF"  version u32  tensors u64  pairs u64
    pairs    name, type u32, value           strings are a length u64 and UTF-8; arrays a type u32 and a length u64
    tensors  name, dimensions u32, sizes u64 (the innermost first), type u32, offset u64
    padding to `general.alignment`, then the tensors' bytes

Source: docs/gguf.md of llama.cpp, versions 2 and 3. Every count and every length is held against the bytes that are
left before anything is made from it, so that a short file that claims 2^60 numbers costs nothing. Ten times faster
than gguf-py's reader, which makes several arrays for each of the 300,000 strings of a vocabulary.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optlab.errors import ModelError
from optlab.models.hub_config import HubConfig

MAGIC = b"GGUF"
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""Type of a value -> its letter in `struct`."""
STRING, ARRAY = 8, 9
DEEPEST_ARRAY = 4
"""Arrays in arrays are part of the format; so many levels of them are read."""
MOST_VALUES = 10_000_000
"""In all arrays together; the vocabularies and merges of the largest tokenizers have one million."""
LARGEST_DIMENSIONS = 4
"""GGML_MAX_DIMS."""
REMOVED = {
    4: "Q4_2", 5: "Q4_3", 31: "Q4_0_4_4", 32: "Q4_0_4_8", 33: "Q4_0_8_8", 36: "IQ4_NL_4_4", 37: "IQ4_NL_4_8",
    38: "IQ4_NL_8_8",
}  # fmt: skip
"""Types that llama.cpp once wrote and reads no longer: repacked for one kind of processor."""


@dataclass(frozen=True)
class TensorInfo:
    """Where a tensor lies. shape: as numpy has it, the innermost dimension last. start, end: bytes in `file`.

    kind: a gguf.GGMLQuantizationType. byte_order: "<" or ">".
    """

    name: str
    file: Path
    kind: Any
    shape: tuple[int, ...]
    start: int
    end: int
    byte_order: str

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class Header:
    """What one file says. values: metadata by key; a number, a bool, a string or a list of those."""

    file: Path
    version: int
    values: HubConfig
    tensors: tuple[TensorInfo, ...]


class DamagedError(Exception):
    """What is claimed is not there; `read_header` says it in a sentence."""


def read_header(path: Path) -> Header:
    """The header of a GGUF file. Raises ModelError with one sentence when it is none, or not sound."""
    try:
        with path.open("rb") as stream:
            beginning = stream.read(4)
            if beginning != MAGIC:
                raise ModelError("{file} is not a GGUF file", file=path.name)
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _Reader(path, data).header()
    except OSError as error:
        raise ModelError("cannot read {path}: {reason}", path=path, reason=error.strerror or error) from None
    except (DamagedError, struct.error, UnicodeDecodeError):
        raise ModelError("{file} is truncated or damaged; download or copy it again", file=path.name) from None


class _Reader:
    """A place in the bytes of a file. Every step checks that the bytes are there."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self.path, self.data, self.at, self.order = path, data, 4, "<"
        self.values_left = MOST_VALUES

    def header(self) -> Header:
        version = self._version()
        count, pairs = self._number("Q"), self._number("Q")
        self._there(count, 24)
        self._there(pairs, 13)
        values: HubConfig = {}
        for _ in range(pairs):
            key = self._string("strict")
            if key in values:
                raise DamagedError
            values[key] = self._value(self._number("I"))
        infos = [self._info() for _ in range(count)]
        alignment = values.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
            raise DamagedError
        begin = -(-self.at // alignment) * alignment
        tensors = tuple(self._placed(begin, *info) for info in infos)
        times = Counter(tensor.name for tensor in tensors)
        if len(times) != len(tensors):
            twice = next(name for name, count in times.items() if count > 1)
            raise ModelError("{file} is damaged: it holds {twice} twice", file=self.path.name, twice=twice)
        return Header(self.path, version, values, tensors)

    def _version(self) -> int:
        version = self._number("I")
        if version and not version & 0xFFFF:
            self.order = ">"
            version = int.from_bytes(version.to_bytes(4, "little"), "big")
        if version == 1:
            raise ModelError(
                "{file} is GGUF version 1, which llama.cpp reads no longer either; make it again with a current "
                "llama.cpp",
                file=self.path.name,
            )
        if version not in (2, 3):
            raise ModelError(
                "{file} is GGUF version {version}; versions 2 and 3 are read",
                file=self.path.name,
                version=version,
            )
        return version

    def _there(self, count: int, each: int) -> None:
        if count * each > len(self.data) - self.at:
            raise DamagedError

    def _number(self, letter: str) -> Any:
        size = struct.calcsize("<" + letter)
        self._there(1, size)
        (value,) = struct.unpack_from(self.order + letter, self.data, self.at)
        self.at += size
        return value

    def _string(self, errors: str = "replace") -> str:
        """A name must be UTF-8; a value that a person wrote in another encoding is no reason to refuse a model."""
        length = self._number("Q")
        self._there(length, 1)
        self.at += length
        return self.data[self.at - length : self.at].decode("utf-8", errors)

    def _value(self, kind: int) -> Any:
        if kind == STRING:
            return self._string()
        if kind == ARRAY:
            return self._array()
        if kind not in NUMBERS:
            raise DamagedError
        return self._number(NUMBERS[kind])

    def _array(self, depth: int = 1) -> list[Any]:
        kind, length = self._number("I"), self._number("Q")
        self.values_left -= length
        if self.values_left < 0:
            raise DamagedError
        if kind == STRING:
            self._there(length, 8)
            return [self._string() for _ in range(length)]
        if kind == ARRAY and depth < DEEPEST_ARRAY:
            self._there(length, 12)
            return [self._array(depth + 1) for _ in range(length)]
        if kind not in NUMBERS:
            raise DamagedError
        layout = f"{self.order}{{}}{NUMBERS[kind]}"
        size = struct.calcsize(layout.format(1))
        self._there(length, size)
        values = struct.unpack_from(layout.format(length), self.data, self.at)
        self.at += length * size
        return list(values)

    def _info(self) -> tuple[str, tuple[int, ...], int, int]:
        name, dimensions = self._string("strict"), self._number("I")
        if not 1 <= dimensions <= LARGEST_DIMENSIONS:
            raise DamagedError
        sizes = tuple(self._number("Q") for _ in range(dimensions))
        return name, sizes[::-1], self._number("I"), self._number("Q")

    def _placed(self, begin: int, name: str, shape: tuple[int, ...], kind: int, offset: int) -> TensorInfo:
        import gguf

        if kind in REMOVED:
            raise ModelError(
                "{file} stores {tensor} as type {kind} ({removed}), which llama.cpp no longer has; "
                "quantize the model again",
                file=self.path.name,
                tensor=name,
                kind=kind,
                removed=REMOVED[kind],
            )
        try:
            known = gguf.GGMLQuantizationType(kind)
        except ValueError:
            raise ModelError(
                "{file} stores {tensor} as type {kind}, which is not a type known here",
                file=self.path.name,
                tensor=name,
                kind=kind,
            ) from None
        block, size = gguf.GGML_QUANT_SIZES[known]
        if 0 in shape:
            raise ModelError(
                "{file} is damaged: {tensor} has shape {shape}, which holds no numbers",
                file=self.path.name,
                tensor=name,
                shape=list(shape),
            )
        if shape[-1] % block:
            raise ModelError(
                "{file} is damaged: rows of {tensor} have {columns} numbers, not blocks of {block}",
                file=self.path.name,
                tensor=name,
                columns=shape[-1],
                block=block,
            )
        start = begin + offset
        end = start + math.prod(shape) // block * size
        if end > len(self.data):
            raise ModelError(
                "{file} is truncated or damaged: {tensor} should end at byte {end} of {size}; download or copy "
                "it again",
                file=self.path.name,
                tensor=name,
                end=end,
                size=len(self.data),
            )
        return TensorInfo(name, self.path, known, shape, start, end, self.order)
