"""HQQ (Badri and Shaji, Half-Quadratic Quantization, 2023), as its library writes a layer into safetensors.

    W_q           uint8 (int32 for 3 bits), codes packed down the first dimension: the first part of the rows in the
                  highest bits, the last in the lowest
    scale, zero   for each group, along `axis`; zero is a float
    nbits, group_size, axis, shape, packing     settings, each as a tensor

The weight is flattened into [-1, group_size] (axis 1) or [group_size, -1] (axis 0): w = (code - zero) * scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from optlab.models.quantized.format import PackedFormat, Settings

if TYPE_CHECKING:
    from torch import Tensor

PER_WORD = {"8bit_u8": 1, "4bit_u8": 2, "2bit_u8": 4, "1bit_u8": 8, "3bit_32": 10}
"""Codes in one number of W_q, by the name of the packing."""


def _read(layer: str, parts: Mapping[str, Tensor], settings: Settings) -> Tensor:
    import torch

    bits, axis = int(parts["nbits"]), int(parts["axis"])
    shape = [int(n) for n in parts["shape"]]
    size = int(parts["group_size"])
    packing = bytes(parts["packing"].to(torch.uint8).tolist()).decode() if "packing" in parts else f"{bits}bit_u8"
    count, mask = PER_WORD[packing], (1 << bits) - 1
    words = parts["W_q"].to(torch.int64)
    codes = torch.cat([words >> (bits * place) & mask for place in reversed(range(count))])
    rows = shape[0] * shape[1] // size if axis == 1 else size  # 3 bits fill the last word up
    W = (codes[:rows].float() - parts["zero"].float()) * parts["scale"].float()
    return W.reshape(shape)


HQQ = PackedFormat(
    name="HQQ", methods=("hqq",), markers=("W_q",),
    parts=(
        "W_q", "scale", "zero", "nbits", "group_size", "axis", "shape", "packing", "stores_quant_config",
        "channel_wise", "optimize", "round_zero", "offload_meta", "compute_dtype", "quant_scale", "quant_zero",
        "unpack_view_dtype", "view_as_float", "encoded_state_dict",
    ),
    read=_read,
)  # fmt: skip
