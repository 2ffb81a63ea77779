"""A model whose tokens are decoded on a graphics card, by one replay of a CUDA graph.

A graph repeats the same launches on the same memory, so everything that changes lies in memory: the token, its
position, keys and values in buffers of fixed length. The first token is computed launch by launch, which compiles the
kernels and times how to cut them; the second is recorded while the same launches are made; from then on they are
replayed. On a processor nothing is recorded, and the interpreter runs what a card would.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar, TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from optlab.formats.integer_tensor import QuantizedTensor
from optlab.kernels.llama import LlamaRuntime, PackedBlock
from optlab.kernels.norm import Norm
from optlab.kernels.rule import Loop
from optlab.messages import Message, say
from optlab.models.transformer import Transformer, activate

if TYPE_CHECKING:
    from optlab.kernels.gpu.linear import TritonLinear

PROGRAMS = 128
"""Programs of attention that keep a card busy; so many shares of the context are read side by side."""
MOST_SHARES, TOKENS = 16, 32
"""Shares at most, and tokens that a program reads in one step."""
SMALLEST_TILE = 16
"""Rows and columns of the smallest product of matrices that a card makes."""


def loop(device: torch.device) -> Loop:
    """Whose kernels multiply by a layer that stands alone on `device`."""
    return "triton" if device.type == "cuda" and find_spec("triton") is not None else "torch"


def refusal(module: Transformer) -> Message | None:
    """Why no Triton kernels decode this model on a card, as a sentence; None when they do."""
    if find_spec("triton") is None:
        return say("Triton is not installed, so every operation of a token is launched alone: pip install triton")
    if any(block.self_attn.key_values is not None for block in module.blocks):
        return say("the kernels of a graphics card do not round keys and values, so torch's operators do")
    return None


def power_of_two(number: int) -> int:
    """The smallest power of two that is at least `number`."""
    return 1 << (number - 1).bit_length()


class GraphLlama(LlamaRuntime):
    """As `LlamaRuntime`, with a token as one graph. `refusal` must be None, or Triton's interpreter be on."""

    loop: ClassVar[Loop] = "triton"

    def __init__(
        self,
        module: Transformer,
        stored: Mapping[str, QuantizedTensor],
        dtype: torch.dtype,
        length: int,
        notes: list[str],
    ) -> None:
        from optlab.kernels.gpu.linear import TritonLinear

        super().__init__(module, stored, dtype, length, notes)
        config = self.config
        if config.gated:
            for block in self.blocks:
                if isinstance(block.gate_up, TritonLinear):
                    block.gate_up.interleave()
        self._turns = {which: [t.contiguous() for t in pair] for which, pair in self.turns.items()}
        self.queries = max(power_of_two(config.heads // config.kv_heads), SMALLEST_TILE)
        self.room = max(power_of_two(config.head_dim), SMALLEST_TILE)
        most = min(MOST_SHARES, max(PROGRAMS // config.kv_heads, 1), -(-length // TOKENS))
        self.shares = power_of_two(most)
        shape = config.kv_heads, self.shares
        self._partial = torch.empty(*shape, self.queries, self.room, device=self.device)
        self._sums = torch.empty(*shape, 2, self.queries, device=self.device)
        self._arrived = torch.zeros(config.kv_heads, dtype=torch.int32, device=self.device)
        self._token, self._at = (torch.zeros(1, dtype=torch.long, device=self.device) for _ in range(2))
        self._logits = torch.empty(config.vocabulary, dtype=dtype, device=self.device)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._compiled = False

    @property
    def bytes_per_token(self) -> int | None:
        """Weights that one token reads, without keys and values; None where a layer is not ours."""
        layers = [part for block in self.blocks for part in (block.qkv, block.o, block.gate_up, block.down)]
        if not all(map(_ours, (*layers, self.head))):
            return None
        return sum(part.bytes for part in (*layers, self.head) if _ours(part))

    @torch.inference_mode()
    def decode(self, token: int) -> Tensor:
        """Raises ValueError when the buffers are full."""
        if self.position + 1 > self.length:
            raise ValueError(f"there is room for {self.length} tokens, {self.position + 1} are needed")
        self._token.fill_(token)
        self._at.fill_(self.position)
        if self._graph is not None:
            self._graph.replay()
        elif self._compiled and self.device.type == "cuda":
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._step()
            self._graph.replay()
        else:
            self._step()
            self._compiled = True
        self.position += 1
        return self._logits.clone()

    def _step(self) -> None:
        """The logits of `_token` at position `_at`."""
        config = self.config
        x = F.embedding(self._token, self.embedding)
        if self.positions is not None:
            x = x + F.embedding(self._at, self.positions)
        if config.embedding_scale != 1.0:
            x = x * self.embedding_scale
        for i, block in enumerate(self.blocks):
            x = self._through(i, block, x)
        self._logits.copy_(self._finished(read(self.head, x, self.norm))[0])

    def _through(self, i: int, block: PackedBlock, x: Tensor) -> Tensor:
        config = self.config
        y = self._newest(i, block, read(block.qkv, x, block.attention_norm))
        after = add(block.o, y, x, block.attention_output_norm, config.residual_scale)
        before = x if config.parallel else after
        y = self._inner(block.gate_up, before, block.mlp_norm)
        return add(block.down, y, after, block.mlp_output_norm, config.residual_scale)

    def _inner(self, layer: nn.Module, x: Tensor, norm: Norm) -> Tensor:
        config = self.config
        if _ours(layer) and layer.gated == config.gated:
            return read(layer, x, norm, config.activation)
        y = layer(norm(x))
        if not config.gated:
            return activate(config.activation, y)
        gate, up = y.chunk(2, dim=-1)
        return activate(config.activation, gate) * up

    def _newest(self, i: int, block: PackedBlock, qkv: Tensor) -> Tensor:
        """Attention of the token whose queries, keys and values are qkv [1, .]; stores the latter two."""
        from optlab.kernels.gpu.attention import attend_newest

        config, size = self.config, self.config.head_dim
        if config.qk_norm == "width":
            q, k, v = qkv.split([config.heads * size, config.kv_heads * size, config.kv_heads * size], dim=-1)
            qkv = torch.cat((block.q_norm(q), block.k_norm(k), v), dim=-1)
        out = torch.empty(1, config.heads * size, dtype=qkv.dtype, device=qkv.device)
        rotation = config.rotation(i)
        cos, sin = (qkv, qkv) if rotation is None else self._turns[rotation]
        per_head = config.qk_norm == "head"
        weights = (block.q_norm.weight, block.k_norm.weight) if per_head else (qkv, qkv)
        attend_newest[config.kv_heads, self.shares](
            qkv, *weights, cos, sin, self.keys[i], self.values[i], self._at, self._partial, self._sums, self._arrived,
            out, self.length, block.window or self.length, config.score_scale, config.attention_cap or 1.0,
            config.norm_eps, HEADS=config.heads, KV_HEADS=config.kv_heads, SIZE=size, ROOM=self.room,
            QUERIES=self.queries, TURNED=0 if rotation is None else cos.shape[-1], NORM=per_head,
            CAP=config.attention_cap is not None, SHARES=self.shares, TOKENS=TOKENS,
        )  # fmt: skip
        return out


def _ours(layer: nn.Module) -> TypeGuard[TritonLinear]:
    from optlab.kernels.gpu.linear import TritonLinear

    return isinstance(layer, TritonLinear)


def read(layer: nn.Module, x: Tensor, norm: Norm, activation: str = "none") -> Tensor:
    """activation(layer(norm(x))) of one input x [1, in], in one launch where that is possible."""
    if not _ours(layer):
        return layer(norm(x))
    fused = norm.weight is not None and not norm.centred
    return layer.multiply(x if fused else norm(x), norm if fused else None, activation)


def add(layer: nn.Module, y: Tensor, x: Tensor, norm: Norm, scale: float) -> Tensor:
    """x + scale * norm(layer(y)), in one launch where there is no norm."""
    if _ours(layer) and norm.weight is None:
        return layer.multiply(y, scale=scale, residual=x)
    return x + norm(layer(y)) * scale
