"""The bytes of a pruned matrix in every form of storage, in closed form, and where one form becomes the cheaper one.

With n weights of b bits in r rows and c columns, of which k are not zero:

    dense     n b                              zeros stored as numbers save nothing
    bitmask   n + k b                          cheaper than dense once 1 / b of the weights are 0
    csr       32 (r + 1) + k (16 + b)          32 instead of 16 when c > 65536; cheaper below one weight in 16
    N:M       n/M log2 C(M, N) + n N/M b       where at most N of every M neighbours are not zero: which of the C(M, N)
                                               choices it is takes 2.67 bits per group in 2:4, 6.4 in 4:8

in bits, each part rounded up to what a file can hold. A choice is a digit in base C(M, N); as many digits as fit make
one 64-bit word.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, comb
from typing import Literal

Form = Literal["dense", "bitmask", "csr", "2:4", "4:8"]
FORMS: tuple[Form, ...] = ("dense", "bitmask", "csr", "2:4", "4:8")
"""In this order; where two take as many bytes, the first is used."""
FINE: dict[str, tuple[int, int]] = {"2:4": (2, 4), "4:8": (4, 8)}
"""Pattern -> (N, M): of every M neighbours in a row, N are kept (Mishra et al., arXiv 2104.08378)."""
NARROW = 1 << 16
"""Rows up to this long have column numbers of 16 bits."""


def digits_per_word(pattern: str) -> int:
    """How many groups of an N:M pattern share one 64-bit word, its sign not used."""
    kept, of = FINE[pattern]
    digits = 1
    while comb(of, kept) ** (digits + 1) < 1 << 63:
        digits += 1
    return digits


def position_bytes(form: Form, rows: int, columns: int, nonzeros: int) -> int:
    """Bytes that say where the numbers of a weight are."""
    if form == "dense":
        return 0
    if form == "bitmask":
        return -(-rows * columns // 8)
    if form == "csr":
        return 4 * (rows + 1) + nonzeros * (2 if columns <= NARROW else 4)
    return 8 * -(-(rows * columns // FINE[form][1]) // digits_per_word(form))


def numbers(form: Form, rows: int, columns: int, nonzeros: int) -> int:
    """How many numbers a form writes; N:M also writes zeros, where a group has fewer than N others."""
    if form == "dense":
        return rows * columns
    if form in FINE:
        kept, of = FINE[form]
        return rows * columns // of * kept
    return nonzeros


def byte_costs(
    rows: int,
    columns: int,
    nonzeros: int,
    itemsize: float,
    fits: tuple[str, ...] = (),
    packed: Callable[[int], int] | None = None,
) -> dict[Form, int]:
    """Bytes of each form in the order of `FORMS`.

    itemsize: bytes per number. fits: the N:M patterns that the zeros obey. packed: bytes of that many numbers in one
    row, where they are not simply itemsize times as many.
    """
    of = packed or (lambda count: ceil(count * itemsize))
    costs: dict[Form, int] = {}
    for form in FORMS:
        if form in FINE and form not in fits:
            continue
        written = numbers(form, rows, columns, nonzeros)
        values = rows * of(columns) if form == "dense" and packed else of(written)
        costs[form] = position_bytes(form, rows, columns, nonzeros) + values
    return costs


def cheapest(costs: dict[Form, int]) -> Form:
    """The form of the fewest bytes."""
    return min(costs, key=lambda form: costs[form])


def sizes(shape: tuple[int, int], sparsity: float, bits: int = 16) -> dict[Form, int]:
    """Bytes of a weight of `shape` (out, in) with a share `sparsity` of zeros and numbers of `bits` bits, by form.

    bits: 16 or 32 for plain numbers; 2 to 8 for codes, whose scales come on top and are the same in every form. The N:M
    forms are there where they could hold such a weight: M divides the columns and enough weights are 0.
    """
    rows, columns = shape
    fits = tuple(p for p, (kept, of) in FINE.items() if columns % of == 0 and sparsity >= 1 - kept / of)
    return byte_costs(rows, columns, round((1 - sparsity) * rows * columns), bits / 8, fits)


def hardware_bytes(shape: tuple[int, int], bits: int = 16) -> int:
    """Bytes of a 2:4 weight as sparse tensor cores read it: two numbers of every four, each with an index of 2 bits
    (Mishra et al., arXiv 2104.08378). Columns are padded to a multiple of four."""
    rows, columns = shape
    kept = rows * -(-columns // 4) * 2
    return ceil(kept * bits / 8) + ceil(kept * 2 / 8)


def break_even(shape: tuple[int, int], form: Form, than: Form = "dense", bits: int = 16) -> float:
    """The smallest sparsity from which `form` takes fewer bytes than `than` (bitmask, csr, dense); 1.0 when none.

    Found by bisection: each form saves in proportion to its zeros, so two of them cross once.
    """
    low, high = 0.0, 1.0

    def smaller(sparsity: float) -> bool:
        costs = sizes(shape, sparsity, bits)
        return costs[form] < costs[than]

    if smaller(low):
        return low
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if smaller(middle) else (middle, high)
    return high
