"""Which of many weights are there, one bit each: what pruned weights and pruned codes are stored with."""

from __future__ import annotations

import torch
from torch import Tensor


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
