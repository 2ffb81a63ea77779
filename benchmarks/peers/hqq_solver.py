"""HQQ's own solver, as the library quantizes by default: groups along the inputs, zero points in 16 bits."""

from importlib.metadata import version
from typing import Any

import torch
from _common import linears, run


def quantize(model: Any, windows: list[list[int]], bits: int, group: int) -> Any:
    """Every linear layer through `Quantizer`; no text is used."""
    from hqq.core.quantize import Quantizer

    with torch.no_grad():
        for module in linears(model).values():
            codes, meta = Quantizer.quantize(module.weight, nbits=bits, group_size=group, axis=1, device="cpu")
            meta |= {"compute_dtype": torch.float32}
            meta |= {part: meta[part].half().float() for part in ("scale", "zero")}
            module.weight.copy_(Quantizer.dequantize(codes, meta).view_as(module.weight))
    return model


if __name__ == "__main__":
    run(f"hqq {version('hqq')}", 16, quantize)
