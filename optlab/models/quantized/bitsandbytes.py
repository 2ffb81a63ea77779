"""bitsandbytes, as transformers saves it: NF4 and FP4 in blocks, int8 by rows.

    weight                       uint8, two codes a byte, the first in the high bits
    weight.absmax                scale of each block of the flattened weight; uint8 when it is quantized itself
    weight.quant_map             float32 [16], what a code stands for
    weight.nested_absmax, weight.nested_quant_map      scales and levels of absmax when that is quantized
    weight.quant_state.bitsandbytes__nf4 (or fp4)      JSON as bytes: blocksize, shape, nested_blocksize, nested_offset

    weight                       int8 [out, in], with SCB float32 [out]: w = code * SCB / 127

Sources: Dettmers et al., QLoRA, arXiv 2305.14314, and LLM.int8(), arXiv 2208.07339.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from optlab.models.quantized.format import PackedFormat, Settings

if TYPE_CHECKING:
    from torch import Tensor

STATES = ("weight.quant_state.bitsandbytes__nf4", "weight.quant_state.bitsandbytes__fp4")


def _read(layer: str, parts: Mapping[str, Tensor], settings: Settings) -> Tensor:
    if "SCB" in parts:
        return parts["weight"].float() * (parts["SCB"].float() / 127)[:, None]
    import torch

    state = json.loads(bytes(next(parts[name] for name in STATES if name in parts).tolist()))
    absmax = parts["weight.absmax"]
    if "weight.nested_absmax" in parts:
        levels, blocks = parts["weight.nested_quant_map"].float(), parts["weight.nested_absmax"].float()
        size = int(state["nested_blocksize"])
        absmax = levels[absmax.long()] * blocks.repeat_interleave(size)[: absmax.numel()] + state["nested_offset"]
    packed = parts["weight"].flatten()
    if packed.dtype != torch.uint8:  # bytes may have been stored under another dtype (bnb_4bit_quant_storage)
        packed = packed.view(torch.uint8)
    rows, columns = (int(n) for n in state["shape"])
    codes = torch.stack((packed >> 4, packed & 0xF), 1).flatten()[: rows * columns].long()
    scale = absmax.float().repeat_interleave(int(state["blocksize"]))[: rows * columns]
    return (parts["weight.quant_map"].float()[codes] * scale).view(rows, columns)


BITSANDBYTES = PackedFormat(
    name="bitsandbytes", methods=("bitsandbytes",), markers=("weight.absmax", "SCB"),
    parts=(
        "weight", "weight.absmax", "weight.quant_map", "weight.nested_absmax", "weight.nested_quant_map", *STATES,
        "SCB", "weight_format",
    ),
    read=_read,
)  # fmt: skip
