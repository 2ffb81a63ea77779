"""The decode loop of our Transformer: one token in, one row of logits out, as few and as large calls as torch allows.

The same mathematics as `optlab.models.transformer`, laid out for speed: q, k and v in one packed layer, gate and up in
another, keys and values written in place into buffers of fixed length, query heads that share a key-value head treated
as rows of one small matrix. Its text is tested against the Transformer's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from optlab.formats.integer_tensor import QuantizedTensor
from optlab.kernels.linear import pack
from optlab.kernels.norm import Norm as Norm
from optlab.kernels.rule import Loop
from optlab.kernels.sources import Piece, block_pieces, source_of
from optlab.kernels.weights import Source
from optlab.models.attend import attend, attend_one, visible
from optlab.models.key_values import KeyValueFormat
from optlab.models.transformer import Transformer, activate, rotate


@dataclass
class PackedBlock:
    """One decoder block with its packed layers. window: tokens that a query sees, its own included; None: all."""

    attention_norm: Norm
    qkv: nn.Module
    q_norm: Norm
    k_norm: Norm
    o: nn.Module
    attention_output_norm: Norm
    mlp_norm: Norm
    gate_up: nn.Module
    down: nn.Module
    mlp_output_norm: Norm
    window: int | None
    key_values: KeyValueFormat | None


Attends = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""A block's attention: (block, q [T, heads, head_dim], k, v [T, kv_heads, head_dim]) -> [T, heads, head_dim]."""


class LlamaRuntime:
    """A model of our Transformer at batch 1, with room for `length` tokens. loop: whose kernels multiply."""

    path: str
    loop: ClassVar[Loop] = "torch"

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
        self.blocks = []
        for number, block in enumerate(module.blocks):
            pieces = block_pieces(module, number, stored)
            before = self._norm(block.attention_norm)
            attention = block.self_attn
            self.blocks.append(
                PackedBlock(
                    before, self._packed(pieces["qkv"]), self._norm(getattr(attention, "q_norm", None)),
                    self._norm(getattr(attention, "k_norm", None)), self._packed(pieces["o"]),
                    self._norm(block.attention_output_norm),
                    before if config.shared_norm else self._norm(block.mlp_norm), self._packed(pieces["gate_up"]),
                    self._packed(pieces["down"]), self._norm(block.mlp_output_norm), config.window(number),
                    attention.key_values,
                )
            )  # fmt: skip
        self.norm = self._norm(module.model.norm)
        embedding_name = ".".join(config.names.get(part, part) for part in ("model", "embed_tokens"))
        head = stored.get("lm_head") or (stored.get(embedding_name) if config.tied else None)
        self.head = self._packed([Piece(module.lm_head, source_of(module.lm_head, head))])
        self.embedding = module.model.embed_tokens.weight.detach().to(dtype)
        self.positions = module.model.embed_positions.weight.detach().to(dtype) if config.learned_positions else None
        self.embedding_scale = torch.tensor(config.embedding_scale, dtype=dtype, device=self.device)
        shape = (config.blocks, config.kv_heads, length, config.head_dim)
        self.keys = torch.zeros(shape, dtype=dtype, device=self.device)
        self.values = torch.zeros(shape, dtype=dtype, device=self.device)
        like = torch.empty(0, dtype=dtype, device=self.device)
        self.turns = {which: rotary.tables(0, length, like) for which, rotary in module.rotaries.items()}
        self.position = 0

    def _norm(self, module: nn.Module | None) -> Norm:
        return Norm.of(module, self.dtype)

    def _packed(self, pieces: list[Piece]) -> nn.Module:
        """Pieces of layers that read the same input as one module."""
        return self._pack([piece.source for piece in pieces])

    def _pack(self, sources: list[Source]) -> nn.Module:
        module, notes, kernels = pack(sources, self.dtype, self.device, self.loop)
        self.notes += [note for note in notes if note not in self.notes]
        self.kernels |= kernels
        return module

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
        start, end = self.position, self.position + len(ids)
        if end > self.length:
            raise ValueError(f"there is room for {self.length} tokens, {end} are needed")
        x = self.walk(self.embed(ids, slice(start, end)), slice(start, end), self._attention)
        self.position = end
        return self.logits(x[-1:])[0]

    def embed(self, ids: Tensor, at: slice) -> Tensor:
        """Embeddings [T, width] of token ids [T] at the positions `at` (one for all, or one for each)."""
        x = F.embedding(ids, self.embedding)
        if self.positions is not None:
            x = x + self.positions[at]
        return x if self.config.embedding_scale == 1.0 else x * self.embedding_scale

    def walk(self, x: Tensor, at: slice, attention: Attends) -> Tensor:
        """x [T, width], embeddings of tokens at the positions `at`, through all blocks."""
        config = self.config
        counts = [count * config.head_dim for count in (config.heads, config.kv_heads, config.kv_heads)]
        turns = {which: (cos[at].unsqueeze(1), sin[at].unsqueeze(1)) for which, (cos, sin) in self.turns.items()}
        for i, block in enumerate(self.blocks):
            parts = block.qkv(block.attention_norm(x)).split(counts, dim=-1)
            if config.qk_norm == "width":
                parts = block.q_norm(parts[0]), block.k_norm(parts[1]), parts[2]
            q, k, v = (part.unflatten(-1, (-1, config.head_dim)) for part in parts)
            if config.qk_norm == "head":
                q, k = block.q_norm(q), block.k_norm(k)
            if (rotation := config.rotation(i)) is not None:
                q, k = rotate(q, *turns[rotation]), rotate(k, *turns[rotation])
            y = block.attention_output_norm(block.o(attention(i, q, k, v).flatten(1)))
            after = x + self._scaled(y)
            y = block.gate_up(block.mlp_norm(x if config.parallel else after))
            if config.gated:
                gate, up = y.chunk(2, dim=-1)
                y = activate(config.activation, gate) * up
            else:
                y = activate(config.activation, y)
            x = after + self._scaled(block.mlp_output_norm(block.down(y)))
        return x

    def _scaled(self, y: Tensor) -> Tensor:
        return y if self.config.residual_scale == 1.0 else y * self.config.residual_scale

    def logits(self, x: Tensor) -> Tensor:
        """Logits [T, V] of what the last block gave, x [T, width]."""
        return self._finished(self.head(self.norm(x)))

    def _finished(self, y: Tensor) -> Tensor:
        if self.config.logit_scale != 1.0:
            y = y * self.config.logit_scale
        cap = self.config.logit_cap
        return y if cap is None else cap * torch.tanh(y / cap)

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

    def _attention(self, i: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        config, block = self.config, self.blocks[i]
        window, scale, cap = block.window, config.score_scale, config.attention_cap
        q, k, v = (part.transpose(0, 1) for part in (q, k, v))
        keys, values = self._cached(i, block.key_values, k, v)
        if q.shape[1] == 1:
            if window is not None:
                keys, values = keys[:, -window:], values[:, -window:]
            return attend_one(q.transpose(0, 1), keys[None], values[None], scale, cap)
        mask = visible(q.shape[1], keys.shape[1], window, self.device)
        if block.key_values is not None:
            y = block.key_values.attention(q[None], k[None], v[None], mask, scale, cap)
        else:
            y = attend(q[None], keys[None], values[None], mask, scale, cap)
        return y[0].transpose(0, 1)
