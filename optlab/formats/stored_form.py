"""The tensors that a weight will take in a file, from its shape and what is done to it, before anything is done.

Every form of storage has a closed form: codes of b bits in 32-bit words, a 16-bit scale per group, zero points packed
like codes, the places and values of what is not 0. Torch-free; `parts()` of a stored weight writes the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from optlab.formats.dtypes import BYTES
from optlab.formats.sparse.sizes import FINE, NARROW, digits_per_word, numbers

WORD = 32


class Part(NamedTuple):
    """A tensor of the file: what follows the layer's name, its format and shape."""

    suffix: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor."""
        return BYTES[self.dtype] * prod(self.shape)


@dataclass(frozen=True)
class StoredForm:
    """How the numbers of a weight are written. bits: of a code, packed into 32-bit words; None for plain numbers of
    `dtype`. beside: what is written in any case, scales and zero points."""

    bits: int | None
    dtype: str
    beside: tuple[Part, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether it is a tensor like any other as long as no zeros are left out."""
        return self.bits is None and not self.beside

    def parts(self, shape: tuple[int, int], kept: int | None = None, pattern: str = "") -> list[Part]:
        """The tensors of a weight of `shape` in the form of the fewest bytes, the first of several.

        kept: how many of its numbers are not 0, None where nothing was pruned. pattern: N:M that the zeros obey.
        """
        whole = [self._numbers(*shape)]
        forms = [whole]
        if kept is not None:
            forms += [[*place, self._left(count)] for place, count in _places(shape, kept, pattern)]
        best = min(forms, key=nbytes)
        if best is whole and self.plain:
            return whole
        return [*self.beside, Part("weight_shape", "I64", (2,)), *best]

    def _numbers(self, rows: int, columns: int) -> Part:
        if self.bits is None:
            return Part("weight", self.dtype, (rows, columns))
        return Part("weight_packed", "I32", (rows, words(columns, self.bits)))

    def _left(self, count: int) -> Part:
        if self.bits is None:
            return Part("weight_values", self.dtype, (count,))
        return Part("weight_packed", "I32", (1, words(count, self.bits)))


def grid(shape: tuple[int, int], bits: int, group_size: int | None, zero: str) -> StoredForm:
    """Integer codes, as `optlab.formats.integer_tensor.QuantizedTensor`. zero: 'none', 'integer' or 'float'."""
    rows, groups = shape[0], shape[1] // (group_size or shape[1])
    beside = [Part("weight_scale", "F16", (rows, groups))]
    if zero == "float":
        beside.append(Part("weight_minimum", "F16", (rows, groups)))
    elif zero == "integer":
        beside.append(Part("weight_zero_point", "I32", (words(rows, bits), groups)))
    return StoredForm(bits, "I32", tuple(beside))


def nbytes(parts: Sequence[Part]) -> int:
    """Bytes of several tensors."""
    return sum(part.nbytes for part in parts)


def words(columns: int, bits: int) -> int:
    """32-bit words of a row of codes."""
    return -(-columns * bits // WORD)


def _places(shape: tuple[int, int], kept: int, pattern: str) -> list[tuple[list[Part], int]]:
    """What says where the `kept` numbers of a pruned weight are, in each form of `optlab.formats.sparse`, and how many
    numbers that form writes."""
    rows, columns = shape
    position = "U16" if columns <= NARROW else "I32"
    found = [
        ([Part("weight_bitmask", "U8", (-(-rows * columns // 8),))], kept),
        ([Part("weight_rows", "I32", (rows + 1,)), Part("weight_columns", position, (kept,))], kept),
    ]
    if pattern in FINE:
        groups = rows * columns // FINE[pattern][1]
        place = Part("weight_places", "I64", (-(-groups // digits_per_word(pattern)),))
        found.append(([place], numbers(pattern, rows, columns, kept)))  # type: ignore[arg-type]
    return found
