"""The bytes of the weights file of a recipe, before anything is quantized.

Every form of storage has a closed form (`optlab.formats.stored_form`), and the header of the file is written out as it
will be, so the size of a recipe is known whether its quality was probed or not. Only the share of codes that happen to
be zero in a layer that is both pruned and quantized is read off the probe's sample.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from optlab.formats.dtypes import BYTES
from optlab.formats.stored_form import Part, StoredForm, nbytes
from optlab.prediction.state import Floats, State
from optlab.prediction.treatment import Damage, Treatment


def file_bytes(state: State, parts: Mapping[str, list[Part]]) -> int:
    """Bytes of a weights file whose layers (by name) are stored as `parts`, all else as in the original."""
    text, position = len('{"__metadata__":{"format":"pt"}}'), 0
    for name, dtype, shape in state.tensors:
        layer = name.removesuffix(".weight")
        stored = parts[layer] if layer in parts else [Part("", dtype, shape)]
        for part in stored:
            end = position + part.nbytes
            title = f"{layer}.{part.suffix}" if part.suffix else name
            place = f'"dtype":"{part.dtype}","shape":[{_numbers(part.shape)}],"data_offsets":[{position},{end}]'
            text += len(place) + len(f",{_quoted(title)}:{{}}")
            position = end
    return 8 + -(-text // 8) * 8 + position


_quoted = lru_cache(1 << 16)(json.dumps)
"""A title as it stands in a header; the same few hundred come back with every recipe."""


def _numbers(numbers: tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))


def recipe_bytes(state: State, done: Treatment, found: Damage | None) -> int:
    """Bytes of the weights file of a recipe whose treatment is known. found: its damage; None where that is not known,
    and then every weight that is not pruned counts as another number than 0."""
    stored = dict(zip(state.names, treated_parts(state, done, found), strict=True))
    stored |= {name: _parts(state, end.shape, end.stored, end.sparsity, 1 - end.sparsity, end.pattern)
               for name, end in done.ends.items()}  # fmt: skip
    return file_bytes(state, {name: parts for name, parts in stored.items() if parts is not None})


def layer_bytes(state: State, done: Treatment, found: Damage | None) -> Floats:
    """Bytes of each linear layer, array [layers], without the file's header. found: as for `recipe_bytes`."""
    dense = BYTES[state.storage_dtype]
    stored = zip(state.shapes, treated_parts(state, done, found), strict=True)
    return np.array(
        [float(dense * rows * columns if parts is None else nbytes(parts)) for (rows, columns), parts in stored]
    )


def treated_parts(state: State, done: Treatment, found: Damage | None) -> list[list[Part] | None]:
    """How each layer is stored; None where nothing is done to it. Layers of one shape that are only quantized, and
    alike, are stored alike, which is worked out once."""
    kept = 1 - done.sparsity if found is None else found.kept
    alike: dict[tuple[tuple[int, int], int], list[Part] | None] = {}
    stored: list[list[Part] | None] = []
    for row, form in enumerate(done.stored):
        key = state.shapes[row], id(form)
        share = float(done.sparsity[row])
        if share > 0 or key not in alike:
            parts = _parts(state, state.shapes[row], form, share, float(kept[row]), done.patterns[row])
            if share > 0:
                stored.append(parts)
                continue
            alike[key] = parts
        stored.append(alike[key])
    return stored


def _parts(
    state: State, shape: tuple[int, int], form: StoredForm | None, sparsity: float, kept: float, pattern: str
) -> list[Part] | None:
    """Of a matrix. kept: share of its numbers that are not 0, which counts where it was pruned."""
    if form is None and sparsity <= 0:
        return None
    count = round(kept * shape[0] * shape[1]) if sparsity > 0 else None
    return (form or StoredForm(None, state.storage_dtype)).parts(shape, count, pattern)
