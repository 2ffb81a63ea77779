"""The bytes of the weights file of a recipe, before anything is quantized.

Every form of storage has a closed form: codes of b bits in 32-bit words, a 16-bit scale per group, zero points packed
like codes, the places and values of what is not 0; the header of the file is written out as it will be. Only the share
of codes that happen to be zero in a layer that is both pruned and quantized is read off the probe's sample.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from math import prod
from typing import NamedTuple

import numpy as np

from optlab.formats.sparse.sizes import NARROW
from optlab.models.checkpoint import BYTES
from optlab.prediction.state import Floats, State
from optlab.prediction.treatment import Damage, Treatment

WORD = 32


class Part(NamedTuple):
    """A tensor of the file: what follows the layer's name, its format and shape."""

    suffix: str
    dtype: str
    shape: tuple[int, ...]


def file_bytes(state: State, parts: Mapping[str, list[Part]]) -> int:
    """Bytes of a weights file whose layers (by name) are stored as `parts`, all else as in the original."""
    text, position = len('{"__metadata__":{"format":"pt"}}'), 0
    for name, dtype, shape in state.tensors:
        layer = name.removesuffix(".weight")
        stored = parts[layer] if layer in parts else [Part("", dtype, shape)]
        for part in stored:
            end = position + nbytes(part)
            title = f"{layer}.{part.suffix}" if part.suffix else name
            place = f'"dtype":"{part.dtype}","shape":[{_numbers(part.shape)}],"data_offsets":[{position},{end}]'
            text += len(place) + len(f",{_quoted(title)}:{{}}")
            position = end
    return 8 + -(-text // 8) * 8 + position


_quoted = lru_cache(1 << 16)(json.dumps)
"""A title as it stands in a header; the same few hundred come back with every recipe."""


def _numbers(numbers: tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))


def nbytes(part: Part) -> int:
    """Bytes of a tensor."""
    return BYTES[part.dtype] * prod(part.shape)


def recipe_bytes(state: State, done: Treatment, found: Damage) -> int:
    """Bytes of the weights file of a recipe whose treatment and damage are known."""
    stored = zip(state.names, treated_parts(state, done, found), strict=True)
    return file_bytes(state, {name: parts for name, parts in stored if parts is not None})


def layer_bytes(state: State, done: Treatment, found: Damage) -> Floats:
    """Bytes of each linear layer, array [layers], without the file's header."""
    dense = BYTES[state.storage_dtype]
    stored = zip(state.shapes, treated_parts(state, done, found), strict=True)
    return np.array(
        [
            float(dense * rows * columns if parts is None else sum(map(nbytes, parts)))
            for (rows, columns), parts in stored
        ]
    )


def treated_parts(state: State, done: Treatment, found: Damage) -> list[list[Part] | None]:
    """How each layer is stored; None where nothing is done to it. Layers of one shape that are only quantized, and
    alike, are stored alike, which is worked out once."""
    alike: dict[tuple[tuple[int, int], int], list[Part]] = {}
    stored: list[list[Part] | None] = []
    for row, values in enumerate(done.values):
        pruned = bool(done.pruning[row])
        if not pruned and values is None:
            stored.append(None)
            continue
        key = state.shapes[row], id(values)
        if pruned or key not in alike:
            parts = layer_parts(state, row, values, pruned, float(found.kept[row]))
            if pruned:
                stored.append(parts)
                continue
            alike[key] = parts
        stored.append(alike[key])
    return stored


def layer_parts(state: State, row: int, values: Mapping[str, object] | None, pruned: bool, kept: float) -> list[Part]:
    """How layer `row` is stored. values: of its quantization, None for none; kept: share of codes that are not 0."""
    shape = state.shapes[row]
    if values is not None:
        return quantized_parts(shape, values, pruned, kept)
    return sparse_parts(shape, state.storage_dtype, round(kept * shape[0] * shape[1]))


def quantized_parts(shape: tuple[int, int], values: Mapping[str, object], pruned: bool, kept: float) -> list[Part]:
    """As `optlab.formats.integer_tensor.QuantizedTensor.parts`."""
    rows, columns = shape
    bits, size = int(str(values["bits"])), int(str(values["group_size"] or columns))
    groups = columns // size
    parts = [Part("weight_scale", "F16", (rows, groups)), Part("weight_shape", "I64", (2,))]
    if values.get("zero_point") == "float":
        parts.append(Part("weight_minimum", "F16", (rows, groups)))
    elif not values.get("symmetric"):
        parts.append(Part("weight_zero_point", "I32", (words(rows, bits), groups)))
    whole = [Part("weight_packed", "I32", (rows, words(columns, bits)))]
    count = round(kept * rows * columns)
    left = Part("weight_packed", "I32", (1, words(count, bits)))
    return [*parts, *smallest([whole, *([*one, left] for one in places(shape, count) if pruned)])]


def sparse_parts(shape: tuple[int, int], dtype: str, kept: int) -> list[Part]:
    """As `optlab.formats.sparse_tensor.SparseTensor.parts`."""
    whole, values = [Part("weight", dtype, shape)], Part("weight_values", dtype, (kept,))
    best = smallest([whole, *([*one, values] for one in places(shape, kept))])
    return best if best is whole else [*best, Part("weight_shape", "I64", (2,))]


def places(shape: tuple[int, int], kept: int) -> list[list[Part]]:
    """What says where `kept` numbers that lie anywhere are, in each form of `optlab.zeros`."""
    rows, columns = shape
    bitmask = Part("weight_bitmask", "U8", (-(-rows * columns // 8),))
    position = "U16" if columns <= NARROW else "I32"
    return [[bitmask], [Part("weight_rows", "I32", (rows + 1,)), Part("weight_columns", position, (kept,))]]


def smallest(forms: list[list[Part]]) -> list[Part]:
    """The form of the fewest bytes, the first of several."""
    return min(forms, key=lambda form: sum(map(nbytes, form)))


def words(columns: int, bits: int) -> int:
    """32-bit words of a row of codes."""
    return -(-columns * bits // WORD)
