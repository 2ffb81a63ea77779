"""torchao's rounding of weights to integers of any width, with a scale and a zero point per group."""

from importlib.metadata import version
from typing import Any

import torch
from _common import linears, run


def quantize(model: Any, windows: list[list[int]], bits: int, group: int) -> Any:
    """Every linear layer through `IntxWeightOnlyConfig`; no text is used."""
    from torchao.quantization import IntxWeightOnlyConfig, MappingType, PerGroup, quantize_

    config = IntxWeightOnlyConfig(
        weight_dtype=getattr(torch, f"int{bits}"),
        granularity=PerGroup(group),
        mapping_type=MappingType.ASYMMETRIC,
        scale_dtype=torch.float16,
    )
    inner = set(linears(model).values())
    quantize_(model, config, filter_fn=lambda module, name: module in inner)
    for module in inner:
        module.weight = torch.nn.Parameter(module.weight.dequantize().float(), requires_grad=False)
    return model


if __name__ == "__main__":
    run(f"torchao {version('torchao')}", None, quantize)
