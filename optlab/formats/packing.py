"""Codes of any width from 2 to 8 bits in 32-bit words, without a wasted bit.

The layout is that of `compressed-tensors` (format pack-quantized), so that other programs read our files: each row is
one stream of bits, code i begins at bit i * bits, the lowest bit of a code comes first, words are little-endian, and
the last word of a row is filled up with zeros. Codes of 3, 5, 6 and 7 bits straddle words. Codes are unsigned here;
that library's signed numbers are the same codes minus 2^(bits-1).
"""

from __future__ import annotations

import torch
from torch import Tensor

WORD = 32


def words_per_row(columns: int, bits: int) -> int:
    """How many 32-bit words a row of `columns` codes takes."""
    return -(-columns * bits // WORD)


def pack(codes: Tensor, bits: int) -> Tensor:
    """codes uint8 [rows, columns], each below 2^bits -> int32 [rows, words_per_row]."""
    rows, columns = codes.shape
    # Eight codes fill exactly `bits` bytes, and 32 fill words: eight become one number, of which so much is kept.
    padded = torch.nn.functional.pad(codes, (0, -columns % WORD)).view(rows, -1, 8)
    joined = padded[..., 0].to(torch.int64)
    for i in range(1, 8):
        joined |= padded[..., i].to(torch.int64) << (i * bits)
    stream = joined.unsqueeze(-1).view(torch.uint8)[..., :bits].flatten()
    words = stream.view(torch.int32).view(rows, padded.shape[1] * bits // 4)
    return words[:, : words_per_row(columns, bits)].contiguous()


def unpack(words: Tensor, bits: int, columns: int) -> Tensor:
    """Reverse of `pack`: int32 [rows, words_per_row] -> codes uint8 [rows, columns].

    Raises ValueError when the number of words is not that of `columns` codes.
    """
    rows, count = words.shape
    if count != words_per_row(columns, bits):
        raise ValueError(f"{count} words cannot hold {columns} codes of {bits} bits")
    wide = torch.nn.functional.pad(words, (0, -count % bits)).view(rows, -1, bits).to(torch.int64) & 0xFFFFFFFF
    codes = torch.empty(rows, wide.shape[1], WORD, dtype=torch.uint8, device=words.device)
    for i in range(WORD):
        word, shift = divmod(i * bits, WORD)
        code = wide[..., word] >> shift
        if shift + bits > WORD:
            code = code | (wide[..., word + 1] << (WORD - shift))
        codes[..., i] = (code & ((1 << bits) - 1)).to(torch.uint8)
    return codes.flatten(1)[:, :columns].contiguous()
