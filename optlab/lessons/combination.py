"""Lesson 11: quantization, pruning and fewer blocks on one model: what each does to bytes, work and perplexity.

Everything is computed: bytes as `optlab.formats.sparse.sizes` counts them, multiplications from the shapes,
perplexity by a pass of the changed model over a text.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optlab.formats.sparse import sizes
from optlab.lessons import grid, next_token, pruning
from optlab.lessons.weights import Array, Weights

FLOAT_BITS = 16
GROUP = 64
WRITES = ("self_attn.o_proj", "mlp.down_proj")
"""What a block adds to the stream; a block that writes nothing is not there."""


@dataclass(frozen=True)
class Made:
    """A changed model. bytes: of the matrices of all blocks. products: multiplications per token that a kernel for
    dense matrices makes."""

    model: Weights
    bytes: int
    products: int


@dataclass(frozen=True)
class Outcome:
    """bytes: of the matrices of all blocks. products: multiplications per token that a kernel for dense matrices makes.
    perplexity: on the text."""

    bytes: int
    products: int
    perplexity: float


def outcome(model: Weights, text: str, bits: int, share: float, dropped: int) -> Outcome:
    """What `made` is worth on `text`. Raises TextError."""
    found = made(model, bits, share, dropped)
    return Outcome(found.bytes, found.products, next_token.reading(found.model, text).perplexity)


def made(model: Weights, bits: int, share: float, dropped: int) -> Made:
    """`model` with `dropped` of its middle blocks removed, a share of zeros by magnitude, then rounded to `bits`: 2 to
    8, or 16 for no rounding."""
    gone = set(middle(model.blocks, dropped))
    changed: dict[str, Array] = {}
    total = products = 0
    for name in model.linear_names():
        W = model[name]
        if int(name.split(".")[2]) in gone:
            if name.endswith(WRITES):
                changed[name] = np.zeros_like(W)
            continue
        zeros = pruning.magnitude(W, share)
        kept = np.where(zeros, np.float32(0), W)
        if bits < FLOAT_BITS:
            kept = np.where(zeros, np.float32(0), grid.matrix(kept, bits, GROUP))
        changed[name] = kept
        total += stored(W.shape, share, bits)
        products += W.size
    return Made(model.replaced(changed), total, products)


def stored(shape: tuple[int, ...], share: float, bits: int) -> int:
    """Bytes of a matrix [out, in]: numbers in the cheaper of dense and bitmask, scales and zero points on top."""
    numbers = sizes.sizes((shape[0], shape[1]), share, bits)
    extra = 0 if bits == FLOAT_BITS else shape[0] * shape[1] // GROUP * (grid.SCALE_BITS + grid.ZERO_BITS) // 8
    return min(numbers["dense"], numbers["bitmask"]) + extra


def middle(blocks: int, dropped: int) -> list[int]:
    """The blocks that go: the ones nearest to the middle, first and last stay longest."""
    order = sorted(range(blocks), key=lambda block: abs(block - (blocks - 1) / 2))
    return sorted(order[:dropped])
