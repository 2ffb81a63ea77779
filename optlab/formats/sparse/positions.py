"""Which numbers of a weight are there: one bit each, row by row their columns, or one digit per group of M.

`write` gives the tensors of a file and the mask of the numbers that go with them, `read` the mask back. What the
numbers are, and how they are packed, is for each kind of weight to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import combinations

import torch
from torch import Tensor

from optlab.formats.sparse.sizes import FINE, NARROW, Form, digits_per_word


def fits(mask: Tensor) -> tuple[str, ...]:
    """The N:M patterns that mask (bool [out, in]) obeys: at most N of every M neighbours are true."""
    return tuple(
        pattern
        for pattern, (kept, of) in FINE.items()
        if mask.numel() and mask.shape[1] % of == 0 and int(mask.reshape(-1, of).sum(1).amax()) <= kept
    )


def write(mask: Tensor, form: Form) -> tuple[dict[str, Tensor], Tensor]:
    """(tensors by their suffix, the numbers to be written in order of rows: bool [out, in]), on the CPU.

    mask: bool [out, in], true where a number is not 0. In an N:M form some zeros are written as numbers.
    """
    mask = mask.cpu()
    if form == "bitmask":
        return {"weight_bitmask": pack_bits(mask)}, mask
    if form == "csr":
        starts = torch.zeros(mask.shape[0] + 1, dtype=torch.int32)
        starts[1:] = mask.sum(1).cumsum(0)
        columns = mask.nonzero()[:, 1].to(torch.uint16 if mask.shape[1] <= NARROW else torch.int32)
        return {"weight_rows": starts, "weight_columns": columns}, mask
    if form in FINE:
        kept = _exactly_n(mask, form)
        return {"weight_places": _pack_places(kept, form)}, kept
    return {}, torch.ones_like(mask)


def read(form: str, parts: Mapping[str, Tensor], rows: int, columns: int) -> Tensor:
    """Where the numbers of a file belong, bool [out, in]; reverse of `write`.

    Raises KeyError, ValueError, RuntimeError or IndexError when the parts are damaged.
    """
    if form == "bitmask":
        return unpack_bits(parts["weight_bitmask"], rows * columns).view(rows, columns)
    if form == "csr":
        counts = parts["weight_rows"].diff().long()
        mask = torch.zeros(rows, columns, dtype=torch.bool)
        mask[torch.arange(rows).repeat_interleave(counts), parts["weight_columns"].to(torch.int64)] = True
        return mask
    if form in FINE:
        return _unpack_places(parts["weight_places"], form, rows, columns)
    raise ValueError(f"there is no form {form}")


def pack_bits(mask: Tensor) -> Tensor:
    """mask (bool, any shape) -> uint8 [ceil(n / 8)], the first entry in the lowest bit."""
    flat = torch.nn.functional.pad(mask.flatten().to(torch.uint8), (0, -mask.numel() % 8)).view(-1, 8)
    return (flat << torch.arange(8, dtype=torch.uint8, device=mask.device)).sum(1, dtype=torch.uint8)


def unpack_bits(packed: Tensor, count: int) -> Tensor:
    """Reverse of `pack_bits`: the first `count` bits as bool [count]. Raises ValueError when they do not fit."""
    if packed.dtype != torch.uint8 or packed.shape != (-(-count // 8),):
        raise ValueError(f"{packed.dtype} {list(packed.shape)} cannot hold {count} bits")
    bits = packed.unsqueeze(1) >> torch.arange(8, dtype=torch.uint8, device=packed.device) & 1
    return bits.flatten()[:count].bool()


def _exactly_n(mask: Tensor, pattern: str) -> Tensor:
    """`mask` [out, in] with further zeros counted in, so that each group of M has N true."""
    kept, of = FINE[pattern]
    first = mask.reshape(-1, of).to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :kept]
    return torch.zeros(len(first), of, dtype=torch.bool).scatter_(1, first, True).view(mask.shape)


@cache
def _choices(pattern: str) -> tuple[tuple[int, ...], ...]:
    """All choices of N places out of M; the number of a choice is its digit in the file."""
    kept, of = FINE[pattern]
    return tuple(combinations(range(of), kept))


def _pack_places(mask: Tensor, pattern: str) -> Tensor:
    """mask [out, in] with N of every M true -> int64 words of digits, the first group in the lowest."""
    _, of = FINE[pattern]
    bits = 1 << torch.arange(of)
    digit_of = torch.zeros(1 << of, dtype=torch.int64)
    for digit, places in enumerate(_choices(pattern)):
        digit_of[sum(1 << place for place in places)] = digit
    digits, size = digit_of[(mask.reshape(-1, of) * bits).sum(1)], digits_per_word(pattern)
    digits = torch.nn.functional.pad(digits, (0, -len(digits) % size)).view(-1, size)
    return (digits * _powers(pattern)).sum(1)


def _unpack_places(words: Tensor, pattern: str, rows: int, columns: int) -> Tensor:
    """Reverse of `_pack_places`. Raises ValueError when the words are not those of such a weight."""
    _, of = FINE[pattern]
    groups, choices = rows * columns // of, _choices(pattern)
    if len(words) != -(-groups // digits_per_word(pattern)) or words.dtype != torch.int64:
        raise ValueError(f"{len(words)} words cannot place {groups} groups")
    digits = (words.unsqueeze(1) // _powers(pattern) % len(choices)).flatten()[:groups]
    mask = torch.zeros(groups, of, dtype=torch.bool).scatter_(1, torch.tensor(choices)[digits], True)
    return mask.view(rows, columns)


def _powers(pattern: str) -> Tensor:
    return len(_choices(pattern)) ** torch.arange(digits_per_word(pattern), dtype=torch.int64)
