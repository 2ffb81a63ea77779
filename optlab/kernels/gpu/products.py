"""One input times a weight, in Triton: what a decoded token does with every layer.

Such a product reads each weight once and is bound by memory, so the kernels do nothing but keep many wide loads in
flight, and take along what would otherwise be a launch of its own: the RMS norm before (a factor of the whole sum,
known when its inputs have been seen), bias, activation and residual after. Sums are float32.

Codes become floats without a conversion: the bits of a code in the mantissa of 2^23 are 2^23 + code, exactly.
"""

from __future__ import annotations

import triton
import triton.language as tl

EXPONENT = 0x4B000000
"""The bits of 2^23 as float32."""


@triton.jit
def activated(x, KIND: tl.constexpr):
    """One of `config.ACTIVATIONS` of float32."""
    if KIND == "silu":
        x = x * tl.sigmoid(x)
    elif KIND == "relu":
        x = tl.maximum(x, 0.0)
    elif KIND == "gelu":
        x = 0.5 * x * (1.0 + tl.erf(x * 0.7071067811865476))
    elif KIND == "gelu_tanh":
        x = x * tl.sigmoid(1.5957691216057308 * (x + 0.044715 * x * x * x))
    return x


@triton.jit
def finish(
    y, outputs, bias, residual, out, scale,
    BIAS: tl.constexpr, RESIDUAL: tl.constexpr, ACTIVATION: tl.constexpr, GATED: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Store what follows from y [ROWS], the products of this program's rows of the weight."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    if BIAS:
        y += tl.load(bias + rows, mask=rows < outputs, other=0.0).to(tl.float32)
    if GATED:
        gate, up = tl.split(tl.reshape(y, (ROWS // 2, 2)))
        y = activated(gate, ACTIVATION) * up
        rows = tl.program_id(0) * (ROWS // 2) + tl.arange(0, ROWS // 2)
        outputs = outputs // 2
    else:
        y = activated(y, ACTIVATION)
    y *= scale
    if RESIDUAL:
        y += tl.load(residual + rows, mask=rows < outputs, other=0.0).to(tl.float32)
    tl.store(out + rows, y.to(out.dtype.element_ty), mask=rows < outputs)


@triton.jit
def dense_product(
    x, norm, weight, bias, residual, out, outputs, inputs, eps, scale,
    NORM: tl.constexpr, BIAS: tl.constexpr, RESIDUAL: tl.constexpr, ACTIVATION: tl.constexpr, GATED: tl.constexpr,
    ROWS: tl.constexpr, INPUTS: tl.constexpr,
):  # fmt: skip
    """A weight [outputs, inputs] of floats. ROWS: rows of a program; INPUTS: columns of a step."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    total = tl.zeros((ROWS, INPUTS), tl.float32)
    squares = tl.zeros((INPUTS,), tl.float32)
    for begin in range(0, inputs, INPUTS):
        columns = begin + tl.arange(0, INPUTS)
        there = columns < inputs
        places = weight + rows[:, None].to(tl.int64) * inputs + columns[None, :]
        w = tl.load(places, mask=(rows < outputs)[:, None] & there[None, :], other=0.0)
        a = tl.load(x + columns, mask=there, other=0.0).to(tl.float32)
        if NORM:
            squares += a * a
            a *= tl.load(norm + columns, mask=there, other=0.0).to(tl.float32)
        total += w.to(tl.float32) * a[None, :]
    y = tl.sum(total, 1)
    if NORM:
        y *= tl.rsqrt(tl.sum(squares, 0) / inputs + eps)
    finish(y, outputs, bias, residual, out, scale, BIAS, RESIDUAL, ACTIVATION, GATED, ROWS)


@triton.jit
def packed_product(
    x, norm, words, scales, zeros, bias, residual, out, outputs, inputs, eps, scale, exponent,
    NORM: tl.constexpr, BIAS: tl.constexpr, RESIDUAL: tl.constexpr, ACTIVATION: tl.constexpr, GATED: tl.constexpr,
    BITS: tl.constexpr, GROUP: tl.constexpr, BLOCK: tl.constexpr, ZERO: tl.constexpr,
    ROWS: tl.constexpr, INPUTS: tl.constexpr,
):  # fmt: skip
    """A weight of codes in words (`layout`), with a scale and a zero for each GROUP inputs of a row.

    ZERO: "none" (code 2^(BITS - 1) is 0), "integer" (zeros are codes) or "float" (zeros are what code 0 stands for).
    exponent: `EXPONENT`. An argument, because only then a card masks a code and joins it
    in one instruction.
    """
    PLANES: tl.constexpr = 32 // BITS
    WORDS: tl.constexpr = BLOCK // PLANES
    BLOCKS: tl.constexpr = INPUTS // BLOCK
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    word = tl.arange(0, WORDS)
    total = tl.zeros((ROWS, BLOCKS), tl.float32)
    squares = tl.zeros((BLOCKS, WORDS), tl.float32)
    blocks, groups = inputs // BLOCK, inputs // GROUP
    row = rows.to(tl.int64)
    for begin in range(0, blocks, BLOCKS):
        block = begin + tl.arange(0, BLOCKS)
        there = block < blocks
        both = (rows < outputs)[:, None] & there[None, :]
        at = (block[:, None] * WORDS + word[None, :])[None, :, :]
        packed = tl.load(words + row[:, None, None] * (blocks * WORDS) + at, mask=both[:, :, None], other=0)
        group = row[:, None] * groups + ((block * BLOCK) // GROUP)[None, :]
        step = tl.load(scales + group, mask=both, other=0.0).to(tl.float32)
        if ZERO == "integer":
            lowest = -tl.load(zeros + group, mask=both, other=0).to(tl.float32) * step
        elif ZERO == "float":
            lowest = tl.load(zeros + group, mask=both, other=0.0).to(tl.float32)
        else:
            lowest = -(1 << (BITS - 1)) * step
        upper = (packed.to(tl.uint32, bitcast=True) >> 16).to(tl.int32, bitcast=True)
        products = tl.zeros((ROWS, BLOCKS, WORDS), tl.float32)
        sums = tl.zeros((BLOCKS, WORDS), tl.float32)
        for j in tl.static_range(PLANES):
            places = block[:, None] * BLOCK + j * WORDS + word[None, :]
            if NORM:
                a = tl.load(x + places, mask=there[:, None], other=0.0).to(tl.float32)
                squares += a * a
                a *= tl.load(norm + places, mask=there[:, None], other=0.0).to(tl.float32)
                sums += a
                a = (a * (1.0 / (1 << (j * BITS % 16))))[None, :, :]
            else:
                # Read in three dimensions, so that each thread has the inputs of its own words.
                a = tl.load(x + places[None, :, :], mask=there[None, :, None], other=0.0).to(tl.float32)
                sums += tl.sum(a, 0)
                a *= 1.0 / (1 << (j * BITS % 16))
            # Codes stay where they lie in a word, 2^shift times too large, and the input is made as much smaller.
            half = packed if j * BITS < 16 else upper
            bits_of_plane = half & (((1 << BITS) - 1) << (j * BITS % 16))
            code = (bits_of_plane | exponent).to(tl.float32, bitcast=True) - 8388608.0
            products += code * a
        total += tl.sum(products, 2) * step + tl.sum(sums, 1)[None, :] * lowest
    y = tl.sum(total, 1)
    if NORM:
        y *= tl.rsqrt(tl.sum(tl.sum(squares, 1), 0) / inputs + eps)
    finish(y, outputs, bias, residual, out, scale, BIAS, RESIDUAL, ACTIVATION, GATED, ROWS)


@triton.jit
def expand(
    words, scales, zeros, out, first, last, inputs,
    BITS: tl.constexpr, GROUP: tl.constexpr, BLOCK: tl.constexpr, ZERO: tl.constexpr,
    ROWS: tl.constexpr, INPUTS: tl.constexpr,
):  # fmt: skip
    """Rows first to last of a weight of codes as numbers, into out [last - first, inputs]."""
    PLANES: tl.constexpr = 32 // BITS
    WORDS: tl.constexpr = BLOCK // PLANES
    BLOCKS: tl.constexpr = INPUTS // BLOCK
    row = first + (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    block = tl.program_id(1) * BLOCKS + tl.arange(0, BLOCKS)
    blocks, groups = inputs // BLOCK, inputs // GROUP
    both = (row < last)[:, None] & (block < blocks)[None, :]
    word = tl.arange(0, WORDS)
    at = block[:, None] * WORDS + word[None, :]
    packed = tl.load(words + row[:, None, None] * (blocks * WORDS) + at[None, :, :], mask=both[:, :, None], other=0)
    group = row[:, None] * groups + ((block * BLOCK) // GROUP)[None, :]
    step = tl.load(scales + group, mask=both, other=0.0).to(tl.float32)[:, :, None]
    if ZERO != "none":
        zero = tl.load(zeros + group, mask=both, other=0).to(tl.float32)[:, :, None]
    for j in tl.static_range(PLANES):
        code = ((packed >> (j * BITS)) & ((1 << BITS) - 1)).to(tl.float32)
        if ZERO == "integer":
            value = (code - zero) * step
        elif ZERO == "float":
            value = code * step + zero
        else:
            value = (code - (1 << (BITS - 1))) * step
        place = (row - first)[:, None, None] * inputs + (block[:, None] * BLOCK + j * WORDS + word[None, :])[None, :, :]
        tl.store(out + place, value.to(out.dtype.element_ty), mask=both[:, :, None])
