"""The decode loop of the Llama family: one token in, one row of logits out, as few and as large calls as torch allows.

The same mathematics as `optlab.models.transformer`, laid out for speed: q, k and v in one packed layer, gate and up in
another, keys and values written in place into buffers of fixed length, query heads that share a key-value head treated
as rows of one small matrix. Its text is tested against the Transformer's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from optlab.formats.integer_tensor import QuantizedTensor
from optlab.kernels.linear import Source, pack
from optlab.models.inputs import input_format
from optlab.models.key_values import KeyValueFormat
from optlab.models.transformer import Block, Rotary, Transformer, rotate


@dataclass
class PackedBlock:
    """One decoder block with its packed layers."""

    input_norm: Tensor
    qkv: nn.Module
    o: nn.Module
    post_norm: Tensor
    gate_up: nn.Module
    down: nn.Module
    key_values: KeyValueFormat | None


class LlamaRuntime:
    """A Llama-family model at batch 1, with room for `length` tokens."""

    path: str

    def __init__(
        self,
        module: Transformer,
        stored: Mapping[str, QuantizedTensor],
        dtype: torch.dtype,
        length: int,
        notes: list[str],
    ) -> None:
        config = module.config
        self.config, self.dtype, self.length = config, dtype, length
        self.device = module.model.embed_tokens.weight.device
        self.notes = list(notes)
        self.kernels: set[str] = set()

        def packed(prefix: str, *names: str) -> nn.Module:
            sources, layers = [], []
            for name in (f"{prefix}.{name}" for name in names):
                layer = module.get_submodule(name)
                assert isinstance(layer, nn.Linear)
                sources.append(Source(layer.weight.detach(), layer.bias, stored.get(name), input_format(layer)))
                layers.append(layer)
            made = self._pack(sources)
            self._packed(layers, made)
            return made

        self.blocks = []
        for i, block in enumerate(module.model.layers):
            assert isinstance(block, Block)
            prefix = f"model.layers.{i}"
            self.blocks.append(
                PackedBlock(
                    self._norm(block.input_layernorm.weight),
                    packed(f"{prefix}.self_attn", "q_proj", "k_proj", "v_proj"),
                    packed(f"{prefix}.self_attn", "o_proj"),
                    self._norm(block.post_attention_layernorm.weight),
                    packed(f"{prefix}.mlp", "gate_proj", "up_proj"),
                    packed(f"{prefix}.mlp", "down_proj"),
                    block.self_attn.key_values,
                )
            )
        self.norm = self._norm(module.model.norm.weight)
        head = stored.get("lm_head") or (stored.get("model.embed_tokens") if config.tied else None)
        self.head = self._pack([Source(module.lm_head.weight.detach(), None, head, input_format(module.lm_head))])
        self._packed([module.lm_head], self.head)
        self.embedding = module.model.embed_tokens.weight.detach().to(dtype)
        if config.scale_embedding:
            self.scale = torch.tensor(math.sqrt(config.width), dtype=dtype, device=self.device)
        shape = (config.blocks, config.kv_heads, length, config.head_dim)
        self.keys = torch.zeros(shape, dtype=dtype, device=self.device)
        self.values = torch.zeros(shape, dtype=dtype, device=self.device)
        like = torch.empty(0, dtype=dtype, device=self.device)
        self.cos, self.sin = Rotary(config).tables(0, length, like)
        self.position = 0

    def _pack(self, sources: list[Source]) -> nn.Module:
        module, notes, kernels = pack(sources, self.dtype, self.device)
        self.notes += [note for note in notes if note not in self.notes]
        self.kernels |= kernels
        return module

    def _packed(self, layers: list[nn.Linear], packed: nn.Module) -> None:
        """Called with every packed module and the layers it replaces."""

    def _norm(self, weight: Tensor) -> Tensor:
        return (weight.detach().float() + self.config.norm_offset).to(self.dtype)

    def reset(self) -> None:
        self.position = 0

    def prefill(self, ids: list[int]) -> Tensor:
        """Raises ValueError when the prompt does not fit, or something was read before without `reset`."""
        if self.position:
            raise ValueError("prefill starts from an empty cache; call reset first")
        return self._forward(torch.tensor(ids, device=self.device))

    def decode(self, token: int) -> Tensor:
        """Raises ValueError when the buffers are full."""
        return self._forward(torch.tensor([token], device=self.device))

    @torch.inference_mode()
    def _forward(self, ids: Tensor) -> Tensor:
        config, start, count = self.config, self.position, len(ids)
        end = start + count
        if end > self.length:
            raise ValueError(f"there is room for {self.length} tokens, {end} are needed")
        x = F.embedding(ids, self.embedding)
        if config.scale_embedding:
            x = x * self.scale
        cos, sin = self.cos[start:end], self.sin[start:end]
        width = (config.width,)
        for i, block in enumerate(self.blocks):
            y = self._attention(i, block, F.rms_norm(x, width, block.input_norm, config.norm_eps), cos, sin)
            x = x + block.o(y)
            gate, up = block.gate_up(F.rms_norm(x, width, block.post_norm, config.norm_eps)).chunk(2, dim=-1)
            gate = F.gelu(gate, approximate="tanh") if config.activation == "gelu_tanh" else F.silu(gate)
            x = x + block.down(gate * up)
        self.position = end
        return self.head(F.rms_norm(x[-1:], width, self.norm, config.norm_eps))[0]

    def _cached(self, i: int, chosen: KeyValueFormat | None, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store k, v [kv_heads, T, head_dim]; returns all that is stored of block i, rounded as it asks."""
        start, end = self.position, self.position + k.shape[1]
        keys, values = self.keys[i], self.values[i]
        if chosen is not None and chosen.keys == "token":
            k, v = chosen.kept(k, v)
        elif chosen is not None and start % chosen.group == 0 and start:
            # The group before is full: from here on its tokens are seen rounded.
            full = slice(start - chosen.group, start)
            keys[:, full], values[:, full] = chosen.kept(keys[:, full], values[:, full])
        elif chosen is not None and start == 0:
            full = slice((end - 1) // chosen.group * chosen.group)
            rounded_k, rounded_v = chosen.kept(k[:, full], v[:, full])
            k, v = torch.cat((rounded_k, k[:, full.stop :]), dim=1), torch.cat((rounded_v, v[:, full.stop :]), dim=1)
        keys[:, start:end], values[:, start:end] = k, v
        return keys[:, :end], values[:, :end]

    def _attention(self, i: int, block: PackedBlock, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """x [T, width] -> [T, heads * head_dim]."""
        config, count = self.config, x.shape[0]
        heads, kv_heads, size = config.heads, config.kv_heads, config.head_dim
        qkv = block.qkv(x).view(count, heads + 2 * kv_heads, size).transpose(0, 1)
        qk = rotate(qkv[: heads + kv_heads], cos, sin)
        q = qk[:heads]
        k, v = self._cached(i, block.key_values, qk[heads:], qkv[heads + kv_heads :])
        if block.key_values is not None and count > 1:
            y = block.key_values.attention(q[None], qk[None, heads:], qkv[None, heads + kv_heads :])
            return y[0].transpose(0, 1).reshape(count, heads * size)
        if count == 1:
            # The query heads of a group are the rows of one small attention over their shared keys.
            y = F.scaled_dot_product_attention(q.reshape(1, kv_heads, heads // kv_heads, size), k[None], v[None])
            return y.reshape(1, heads * size)
        y = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True, enable_gqa=heads != kv_heads)
        return y[0].transpose(0, 1).reshape(count, heads * size)
