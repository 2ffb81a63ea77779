"""One input times a weight of 4-bit codes on a card's tensor cores, in Triton.

`products.packed_product` spends five instructions and more on a weight, and an H200 has time for four while it reads
one. Here two codes leave a word with one mask, as a pair of 16-bit numbers, and a product of small matrices multiplies
and adds 256 of them in one instruction: two to three instructions a weight (counted in machine code for sm_90, Triton
3.9). The input is one column of the eight that such a product has at least; the others are copies and are not read.

Codes become 16-bit floats without a conversion: or-ed into the last bits of a power of two they are that power plus
the code, exactly. The power's share of a sum is taken away from it afterwards, group by group in float32.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from optlab.kernels.gpu.products import finish

POWERS = {torch.bfloat16: (0x43004300, 128.0), torch.float16: (0x64006400, 1024.0)}
"""For each type of input: bits of two powers of two, whose last mantissa bit is worth 1, and their value."""
SMALLEST_BLOCK = 16
"""Inputs of the narrowest product of matrices in 16 bits."""


@triton.jit
def tensor_product(
    x, norm, words, scales, zeros, bias, residual, out, outputs, inputs, eps, scale, powers, power,
    NORM: tl.constexpr, BIAS: tl.constexpr, RESIDUAL: tl.constexpr, ACTIVATION: tl.constexpr, GATED: tl.constexpr,
    BITS: tl.constexpr, GROUP: tl.constexpr, BLOCK: tl.constexpr, ZERO: tl.constexpr,
    ROWS: tl.constexpr, INPUTS: tl.constexpr, INTERPRETED: tl.constexpr,
):  # fmt: skip
    """As `products.packed_product` with the same words, for BITS = 4, 16-bit x and BLOCK >= `SMALLEST_BLOCK`.

    powers, power: `POWERS` of the type of x. ROWS: a multiple of 16. INTERPRETED: multiply in float32, because Triton's
    interpreter takes bfloat16 for whole numbers in a product of matrices.
    """
    tl.static_assert(BITS == 4, "two codes are taken out of a word of eight at once")
    WORDS: tl.constexpr = BLOCK // 8
    BLOCKS: tl.constexpr = INPUTS // BLOCK
    KIND: tl.constexpr = x.dtype.element_ty
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    # Rows as [ROWS / 8, ., 8, .] around the blocks, and two words a thread: then each thread reads the very codes that
    # it hands to the tensor cores. (Triton 3.6 orders equal axes the other way round, and passes them through shared
    # memory: one instruction a weight more.)
    row = (tl.arange(0, ROWS // 8)[:, None] * 8 + tl.arange(0, 8)[None, :] + tl.program_id(0) * ROWS)[:, None, :, None]
    row = row.to(tl.int64)
    word = tl.arange(0, WORDS)[None, None, None, :]
    column = tl.arange(0, BLOCK)
    total = tl.zeros((BLOCKS, ROWS, 8), tl.float32)
    squares = tl.zeros((BLOCKS, BLOCK), tl.float32)
    blocks, groups = inputs // BLOCK, inputs // GROUP
    for begin in range(0, blocks, BLOCKS):
        block = begin + tl.arange(0, BLOCKS)
        there = block < blocks
        here = block[None, :, None, None]
        at = tl.max_contiguous((row * blocks + here) * WORDS + word, [1, 1, 1, 2])
        packed = tl.load(words + at, mask=(row < outputs) & (here < blocks), other=0)
        places = block[:, None] * BLOCK + column[None, :]
        a = tl.load(x + places, mask=there[:, None], other=0.0)
        if NORM:
            value = a.to(tl.float32)
            squares += value * value
            a = (value * tl.load(norm + places, mask=there[:, None], other=0.0).to(tl.float32)).to(KIND)
        # Plane p of a word meets plane p + 4: the halves of a word are their inputs, side by side.
        ordered = tl.reshape(tl.permute(tl.reshape(a, (BLOCKS, 2, 4, WORDS)), (0, 2, 3, 1)), (BLOCKS, BLOCK))
        evens = tl.join((packed & 0x000F000F) | powers, ((packed >> 8) & 0x000F000F) | powers)
        odds = tl.join(((packed >> 4) & 0x000F000F) | powers, ((packed >> 12) & 0x000F000F) | powers)
        pairs = tl.join(evens, odds).to(tl.uint32, bitcast=True)
        codes = tl.join(pairs.to(tl.uint16), (pairs >> 16).to(tl.uint16)).to(KIND, bitcast=True)
        codes = tl.reshape(tl.permute(codes, (1, 0, 2, 4, 5, 3, 6)), (BLOCKS, ROWS, BLOCK))
        columns = tl.broadcast_to(ordered[:, :, None], (BLOCKS, BLOCK, 8))
        if INTERPRETED:
            codes, columns = codes.to(tl.float32), columns.to(tl.float32)
        product = tl.dot(codes, columns)
        sums = tl.sum(a.to(tl.float32), 1)[:, None, None]
        both = there[:, None] & (rows < outputs)[None, :]
        group = rows.to(tl.int64)[None, :] * groups + ((block * BLOCK) // GROUP)[:, None]
        step = tl.load(scales + group, mask=both, other=0.0).to(tl.float32)[:, :, None]
        if ZERO == "integer":
            zero = tl.load(zeros + group, mask=both, other=0).to(tl.float32)[:, :, None]
            total += (product - (zero + power) * sums) * step
        elif ZERO == "float":
            lowest = tl.load(zeros + group, mask=both, other=0.0).to(tl.float32)[:, :, None]
            total += (product - power * sums) * step + lowest * sums
        else:
            total += (product - (power + 8.0) * sums) * step
    first = (tl.arange(0, 8) == 0)[None, None, :]
    y = tl.sum(tl.sum(tl.where(first, total, 0.0), 2), 0)
    if NORM:
        y *= tl.rsqrt(tl.sum(tl.sum(squares, 1), 0) / inputs + eps)
    finish(y, outputs, bias, residual, out, scale, BIAS, RESIDUAL, ACTIVATION, GATED, ROWS)
