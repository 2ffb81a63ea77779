"""The weights of a Transformer as runtimes pack them: q, k and v in rows of their own, however a checkpoint fuses them.

Families keep q, k, v in three matrices or in one, gate and up in two or in one, and GPT-2 keeps all of them transposed;
the loops know one layout only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from optlab.formats.integer_tensor import QuantizedTensor
from optlab.kernels.weights import Source
from optlab.models.config import Config
from optlab.models.inputs import input_format
from optlab.models.structure import linear_weight
from optlab.models.transformer import Transformer

Rows = slice | Tensor
"""Of a weight [out, in]: some of its rows, in order (long) or from one to another."""


@dataclass(frozen=True)
class Piece:
    """Rows of a layer (None: all of them) that are packed as one weight."""

    layer: nn.Module
    source: Source
    rows: Rows | None = None


def block_pieces(module: Transformer, number: int, stored: Mapping[str, QuantizedTensor]) -> dict[str, list[Piece]]:
    """The pieces of block `number`: "qkv" (three), "o", "gate_up" (two, or up alone), "down"."""
    config, block = module.config, module.blocks[number]
    attention, mlp = block.self_attn, block.mlp
    prefix = ".".join(config.names.get(part, part) for part in ("model", "layers"))

    def piece(owner: str, name: str, rows: Rows | None = None) -> Piece:
        parent = attention if owner == "self_attn" else mlp
        hub = f"{prefix}.{number}.{config.names.get(owner, owner)}.{config.names.get(name, name)}"
        layer: nn.Module = getattr(parent, name)
        return Piece(layer, _taken(source_of(layer, stored.get(hub)), rows), rows)

    if config.fused:
        qkv = [piece("self_attn", "qkv_proj", rows) for rows in fused_rows(config)]
    else:
        orders = (_halves(config, config.heads), _halves(config, config.kv_heads), None)
        qkv = [piece("self_attn", f"{letter}_proj", rows) for letter, rows in zip("qkv", orders, strict=True)]
    if mlp.fused:
        middle = config.mlp_width
        gate_up = [piece("mlp", "gate_up_proj", rows) for rows in (slice(0, middle), slice(middle, 2 * middle))]
    else:
        gate_up = [piece("mlp", name) for name in (("gate_proj", "up_proj") if config.gated else ("up_proj",))]
    return {"qkv": qkv, "o": [piece("self_attn", "o_proj")], "gate_up": gate_up, "down": [piece("mlp", "down_proj")]}


def source_of(layer: nn.Module, stored: QuantizedTensor | None) -> Source:
    """A linear layer as something to be packed."""
    bias = layer.bias if isinstance(layer.bias, Tensor) else None
    return Source(linear_weight(layer).detach(), bias, stored, input_format(layer))


def fused_rows(config: Config) -> tuple[Rows, Rows, Rows]:
    """The rows of queries, keys and values in a fused matrix."""
    size = config.head_dim
    if config.fused == "heads":
        q, k, v = torch.arange(3 * config.heads * size).view(config.heads, 3, size).unbind(1)
        return q.flatten(), k.flatten(), v.flatten()
    first, second = config.heads * size, (config.heads + config.kv_heads) * size
    return slice(0, first), slice(first, second), slice(second, second + config.kv_heads * size)


def _halves(config: Config, heads: int) -> Tensor | None:
    """The order in which pairs that are rotated together lie in the two halves of a head."""
    if not config.interleaved:
        return None
    return torch.arange(heads * config.head_dim).view(heads, -1, 2).transpose(1, 2).flatten()


def _taken(source: Source, rows: Rows | None) -> Source:
    if rows is None:
        return source
    bias = None if source.bias is None else source.bias[rows]
    if source.stored is None:
        return Source(source.weight[rows], bias, None, source.inputs)
    whole = source.stored
    zero_point = None if whole.zero_point is None else whole.zero_point[rows]
    stored = replace(whole, codes=whole.codes[rows], scale=whole.scale[rows], zero_point=zero_point)
    # The weight of what is stored is only a shape, which a hollow model has no memory for.
    return Source(source.weight[:1].expand(stored.shape), bias, stored, source.inputs)
