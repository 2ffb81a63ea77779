"""The numbers of a tensor: quantized blocks times their scales, piece by piece and on every core.

gguf-py's own dequantizers, the reference of the format, run on pieces that stay in the processor's cache; where those
spend most of their time on tables (the codebooks of IQ4), a lookup of both codes of a byte at once replaces them, with
the same bits as result. A tensor ends as float16 where that keeps it as exactly as float16 can, else as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from optlab.errors import ModelError
from optlab.machine.processor import cores
from optlab.models.gguf.header import TensorInfo

PIECE = 1 << 18
"""Numbers that are dequantized at a time: 1 MB as float32, which a core's own cache holds with its temporaries."""
LARGEST, SMALLEST = 65504.0, 2.0**-14
"""The largest float16, and the smallest that has all its 11 bits."""
PLAIN = {"F32": "f4", "F16": "f2", "F64": "f8", "I8": "i1", "I16": "i2", "I32": "i4", "I64": "i8"}
"""Types that are plain numbers -> numpy's."""
IQ4 = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], dtype=np.float32)
"""The 16 levels of IQ4_NL and IQ4_XS (kvalues_iq4nl)."""


def weights(tensor: TensorInfo) -> Any:
    """The tensor as a contiguous array of its shape: float16 or float32, or bfloat16 as its bits, uint16.

    Floats keep their type: F16, F32 (float16 when every value is one), BF16; F64 and integers become float32. Quantized
    blocks become float16, or float32 when a row is too large or too small for it: float16 has its full precision
    between 6e-5 and 65,504, and what is small may be made up for by a norm.
    Raises ModelError when the type cannot be read or a value is not a number.
    """
    kind, rows, columns = tensor.kind.name, tensor.elements // tensor.shape[-1], tensor.shape[-1]
    raw: Any = np.memmap(tensor.file, mode="r", offset=tensor.start, shape=(tensor.bytes,), dtype=np.uint8)
    raw = raw.reshape(rows, tensor.bytes // rows)
    if kind == "BF16":
        bits = np.ascontiguousarray(raw).view(f"{tensor.byte_order}u2").astype(np.uint16)
        if ((bits & 0x7F80) == 0x7F80).any():
            raise _not_numbers(tensor)
        return bits.reshape(tensor.shape)
    if tensor.byte_order == ">" and kind not in PLAIN:
        raise ModelError(
            "{file} is big-endian, and {tensor} is stored in blocks ({kind}), whose bytes are only read in the "
            "usual order; convert it with gguf-py's gguf-convert-endian",
            file=tensor.file.name,
            tensor=tensor.name,
            kind=kind,
        )
    read = _reader(tensor)
    step = max(1, PIECE // columns)
    pieces = [slice(first, first + step) for first in range(0, rows, step)]
    narrow = np.empty((rows, columns), dtype=np.float16)

    def as_float16(piece: slice) -> bool:
        with np.errstate(all="ignore"):
            values = read(raw[piece])
            fits = bool((values.astype(np.float16) == values).all()) if kind in PLAIN else float16_holds(values)
            if fits:
                narrow[piece] = values
        return fits

    if kind == "F16" or all(_run(as_float16, pieces)):
        if kind == "F16":
            narrow = np.ascontiguousarray(raw).view(f"{tensor.byte_order}f2").astype(np.float16).reshape(rows, columns)
            if not np.isfinite(narrow).all():
                raise _not_numbers(tensor)
        return narrow.reshape(tensor.shape)
    wide = np.empty((rows, columns), dtype=np.float32)

    def as_float32(piece: slice) -> bool:
        with np.errstate(all="ignore"):
            wide[piece] = read(raw[piece])
            return bool(np.isfinite(wide[piece]).all())

    if not all(_run(as_float32, pieces)):
        raise _not_numbers(tensor)
    return wide.reshape(tensor.shape)


def _run(work: Callable[[slice], bool], pieces: list[slice]) -> Any:
    """The answers of `work` for all pieces, in order, on every core (numpy lets go of the interpreter)."""
    if len(pieces) == 1:
        return [work(pieces[0])]
    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(work, pieces))


def float16_holds(values: Any) -> bool:
    """Whether float16 is as good for a matrix [rows, columns]: nothing is beyond it, and the largest of each row, by
    which errors of the row are judged, has all 11 bits. False for what is not a number."""
    largest = np.maximum(values.max(axis=1), -values.min(axis=1))
    return bool(((largest == 0) | ((largest >= SMALLEST) & (largest <= LARGEST))).all())


def _not_numbers(tensor: TensorInfo) -> ModelError:
    return ModelError(
        "{file} is damaged: {tensor} holds values that are not numbers",
        file=tensor.file.name,
        tensor=tensor.name,
    )


def _reader(tensor: TensorInfo) -> Callable[[Any], Any]:
    """bytes [rows, bytes of a row] -> float32 [rows, columns]."""
    from gguf.quants import _type_traits

    kind = tensor.kind.name
    if kind in PLAIN:
        layout = np.dtype(f"{tensor.byte_order}{PLAIN[kind]}")
        return lambda raw: np.ascontiguousarray(raw).view(layout).astype(np.float32)
    if kind in OWN:
        own = OWN[kind]
        return lambda raw: own(np.ascontiguousarray(raw))
    reference = _type_traits.get(tensor.kind)
    if reference is None:
        raise ModelError(
            "{file} stores {tensor} as {kind}, which cannot be read",
            file=tensor.file.name,
            tensor=tensor.name,
            kind=kind,
        )
    reference.init_grid()
    return lambda raw: reference.dequantize_rows(np.ascontiguousarray(raw))


def _both_codes(levels: Any) -> Any:
    """[256, 2]: the levels of the low and the high four bits of every byte."""
    byte = np.arange(256)
    return np.stack([levels[byte & 15], levels[byte >> 4]], axis=1)


IQ4_PAIRS = _both_codes(IQ4)


def iq4_nl(raw: Any) -> Any:
    """Blocks of 32: d float16, then 16 bytes of codes j and j + 16."""
    block = raw.reshape(-1, 18)
    d = block[:, :2].copy().view(np.float16).astype(np.float32)
    values = IQ4_PAIRS[block[:, 2:]].transpose(0, 2, 1).reshape(len(block), 32)
    return (d * values).reshape(len(raw), -1)


def iq4_xs(raw: Any) -> Any:
    """Blocks of 256: d float16, the upper 2 bits of 8 scales, their lower 4 bits, then 8 x 16 bytes of codes."""
    block = raw.reshape(-1, 136)
    d = block[:, :2].copy().view(np.float16).astype(np.float32)
    high = block[:, 2:4].copy().view("<u2") >> np.arange(0, 16, 2, dtype=np.uint16)
    low = np.stack([block[:, 4:8] & 15, block[:, 4:8] >> 4], axis=2).reshape(-1, 8)
    scale = d * ((low | ((high & 3) << 4)).astype(np.int8) - np.int8(32)).astype(np.float32)
    values = IQ4_PAIRS[block[:, 8:].reshape(-1, 8, 16)].transpose(0, 1, 3, 2).reshape(-1, 8, 32)
    return (scale[:, :, None] * values).reshape(len(raw), -1)


OWN: dict[str, Callable[[Any], Any]] = {"IQ4_NL": iq4_nl, "IQ4_XS": iq4_xs}
