"""Sets of 16 numbers between -1 and 1 that four bits choose from, where the numbers are not evenly spaced.

NF4 puts equally many weights of a normal distribution between neighbours, FP4 is a tiny floating-point number. Both
have a level at exactly 0, so pruned weights stay pruned.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

BITS = 4


def normal_float() -> Tensor:
    """NF4, ascending, float32 [16]: quantiles of the normal distribution, scaled so that the ends are -1 and 1.

    The probability of the outermost quantile lies between the ends that 2^4 and 2^4 - 1 levels would have, and both
    halves are divided evenly in probability: 8 levels above 0, 7 below, and 0 itself (Dettmers et al., QLoRA,
    arXiv 2305.14314, section 3 and appendix E).
    """
    n = 1 << BITS
    outermost = 1 - (1 / (2 * n) + 1 / (2 * (n - 1))) / 2
    above = torch.linspace(outermost, 0.5, n // 2 + 1, dtype=torch.float64)[:-1]
    below = torch.linspace(outermost, 0.5, n // 2, dtype=torch.float64)[:-1]
    zero = torch.zeros(1, dtype=torch.float64)
    quantiles = torch.cat((-torch.special.ndtri(below), zero, torch.special.ndtri(above).flip(0)))
    return (quantiles / quantiles.max()).float()


def e2m1() -> Tensor:
    """FP4, float32 [16], over its largest number 6: one sign, two exponent, one mantissa bit, in the order of the bits.

    Code s e e m is (-1)^s * 2^(e-1) * (1 + m/2), and (-1)^s * m/2 where e is 0 (OCP Microscaling Formats 1.0, section
    5.3.3). Code 8 is minus zero.
    """
    code = torch.arange(1 << BITS)
    sign, exponent, mantissa = 1.0 - 2.0 * (code >> 3), code >> 1 & 3, (code & 1) / 2
    magnitude = torch.where(exponent == 0, mantissa, torch.exp2(exponent - 1.0) * (1 + mantissa))
    return sign * magnitude / 6.0


@cache
def levels(book: str) -> Tensor:
    """The levels of a codebook by its name ("nf4", "fp4"), float32 [16]; entry i is what code i stands for."""
    return {"nf4": normal_float, "fp4": e2m1}[book]()


def nearest(x: Tensor, book: str) -> Tensor:
    """The codes (uint8) of the levels nearest to x (float32, any shape)."""
    ascending, order = levels(book).to(x.device).sort(stable=True)
    different = ascending.diff(prepend=ascending.new_tensor([-torch.inf])) > 0  # FP4 has two zeros
    ascending, order = ascending[different], order[different]
    between = (ascending[1:] + ascending[:-1]) / 2
    return order.to(torch.uint8)[torch.bucketize(x.contiguous(), between)]
