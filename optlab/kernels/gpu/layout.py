"""Codes of a few bits in 32-bit words, laid out so that a kernel finds the inputs of every code beside each other.

Inputs are taken in blocks that never cross a group. Within a block of B inputs and P codes a word, bits j of word t
belong to input j * (B / P) + t: the codes in the same bits of neighbouring words ("plane" j) then meet neighbouring
inputs, and a thread loads both with one wide read.
"""

from __future__ import annotations

import torch
from torch import Tensor

WORD = 32
WIDEST_BLOCK = 64
"""Inputs of a block: at 4 bits 8 words, two threads of 16 bytes."""


def per_word(bits: int) -> int:
    """Codes in a word; bits: 2, 4 or 8."""
    return WORD // bits


def block_size(group: int, bits: int) -> int | None:
    """Inputs of a block for groups of `group`: the largest power of two that divides it, up to `WIDEST_BLOCK`; None
    where that is less than a word."""
    size = min(group & -group, WIDEST_BLOCK)
    return size if size >= per_word(bits) else None


def into_words(codes: Tensor, bits: int, block: int) -> Tensor:
    """codes uint8 [out, in] below 2^bits as int32 [out, in * bits / 32]. in: a multiple of `block`."""
    planes = codes.unflatten(1, (-1, per_word(bits), block // per_word(bits)))
    words = torch.zeros_like(planes[:, :, 0], dtype=torch.int32)
    for j in range(per_word(bits)):
        words |= planes[:, :, j].to(torch.int32) << (bits * j)
    return words.flatten(1)


def from_words(words: Tensor, bits: int, block: int) -> Tensor:
    """Reverse of `into_words`."""
    one = words.unflatten(1, (-1, block // per_word(bits)))
    planes = [(one >> (bits * j)) & ((1 << bits) - 1) for j in range(per_word(bits))]
    return torch.stack(planes, dim=2).flatten(1).to(torch.uint8)
