"""A decoder-only Transformer, from scratch: the one file that says how the models of the catalog compute.

Embedding, norms, rotary or learned positions, grouped-query attention with a key-value cache, an MLP, tied or separate
head. What families do differently (where norms sit, what is normalized, capped, windowed, fused or scaled) are traits
of `Config`; a Llama has none of them. It trains nano, runs every family of `architectures.py`, and is what
`optlab.kernels` packs. Parameter names are the hub's, so a hub checkpoint loads with `load_state_dict`.

Sources: Vaswani et al., arXiv 1706.03762; Llama 2302.13971; RMSNorm 1910.07467; rotary positions 2104.09864; SwiGLU
2002.05202; grouped queries 2305.13245; windows 2004.05150; caps and sandwich norms (Gemma 2) 2408.00118; parallel
residuals (GPT-NeoX) 2204.06745; normalized queries and keys 2302.05442.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from optlab.models.attend import attend, visible
from optlab.models.config import Config as Config
from optlab.models.key_values import KeyValueFormat


def activate(kind: str, x: Tensor) -> Tensor:
    """One of `config.ACTIVATIONS`."""
    if kind == "silu":
        return F.silu(x)
    if kind == "relu":
        return F.relu(x)
    return F.gelu(x, approximate="tanh" if kind == "gelu_tanh" else "none")


class Named(nn.Module):
    """A module whose parts have one name in this file, and in checkpoints the one that their family has for them."""

    def __init__(self, names: Mapping[str, str]) -> None:
        object.__setattr__(self, "names", names)
        super().__init__()

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(self.names.get(name, name), value)

    def __getattr__(self, name: str) -> Any:
        return super().__getattr__(self.__dict__.get("names", {}).get(name, name))


class Conv1D(nn.Module):
    """GPT-2's linear layer: x W + b with the weight stored as [in, out]."""

    def __init__(self, nf: int, nx: int) -> None:
        super().__init__()
        self.nf, self.nx = nf, nx
        self.weight = nn.Parameter(torch.empty(nx, nf))
        self.bias = nn.Parameter(torch.zeros(nf))
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.T, self.bias)


def linear(config: Config, inputs: int, outputs: int, bias: bool) -> nn.Module:
    """A linear layer as the family stores it."""
    return Conv1D(outputs, inputs) if config.transposed else nn.Linear(inputs, outputs, bias=bias)


class Rotary:
    """Cosines and sines of rotary positions, float32, grown on demand and shared by all blocks that have these.

    Angle of position m in pair i: m * theta^(-2i/d) (2104.09864, eq. 15), where d features of a head are rotated, the
    pairs being (i, i + d/2). local: those of blocks with a window, where they have a base of their own. amplitude: what
    both tables are multiplied by (YaRN).
    """

    def __init__(self, config: Config, local: bool = False) -> None:
        exponent = torch.arange(0, config.turned, 2, dtype=torch.float32) / max(config.turned, 1)
        theta, scaling = (config.local_rope_theta, ()) if local else (config.rope_theta, config.rope_scaling)
        assert theta is not None
        self.size = config.turned
        self.frequencies = self._scaled(1.0 / theta**exponent, theta, dict(scaling))
        self.amplitude = float(dict(scaling).get("attention_factor", 1.0))
        self.cos = self.sin = torch.zeros(0, config.turned)

    def _scaled(self, frequencies: Tensor, theta: float, scaling: dict[str, Any]) -> Tensor:
        if not scaling:
            return frequencies
        factor = scaling["factor"]
        if scaling["rope_type"] == "linear":
            return frequencies / factor
        length = scaling["original_max_position_embeddings"]
        if scaling["rope_type"] == "yarn":
            kept = self._turning(theta, length, scaling["beta_fast"], scaling["beta_slow"])
        else:  # Llama 3: short wavelengths are kept, long ones slowed by `factor`, those between blended.
            low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
            kept = ((length * frequencies / (2 * math.pi) - low) / (high - low)).clamp(0.0, 1.0)
        return frequencies * (kept + (1 - kept) / factor)

    def _turning(self, theta: float, length: float, fast: float, slow: float) -> Tensor:
        """YaRN (2309.00071, section 3.2): 1 for pairs that turn more than `fast` times in a text of the original
        length, 0 for those that turn less than `slow` times, a ramp over the pairs between."""

        def pair(turns: float) -> float:
            return self.size * math.log(length / (turns * 2 * math.pi)) / (2 * math.log(theta))

        low, high = max(math.floor(pair(fast)), 0), min(math.ceil(pair(slow)), self.size - 1)
        ramp = (torch.arange(self.size // 2, dtype=torch.float32) - low) / ((high - low) or 0.001)
        return 1 - ramp.clamp(0.0, 1.0)

    def tables(self, start: int, length: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """(cos, sin), each [length, d], in the dtype and on the device of `like`."""
        if start + length > self.cos.shape[0] or self.cos.device != like.device:
            size = max(2 * self.cos.shape[0], start + length, 512)
            # Made once, kept for all: tables of a measurement would refuse the gradients of a later training.
            with torch.inference_mode(False):
                angle = torch.outer(torch.arange(size, dtype=torch.float32), self.frequencies).repeat(1, 2)
                self.cos, self.sin = ((self.amplitude * table).to(like.device) for table in (angle.cos(), angle.sin()))
        rows = slice(start, start + length)
        return self.cos[rows].to(like.dtype), self.sin[rows].to(like.dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Apply rotary positions, cos and sin [T, d], to the first d features of x [..., T, head_dim]."""
    size = cos.shape[-1]
    if size < x.shape[-1]:
        return torch.cat((rotate(x[..., :size], cos, sin), x[..., size:]), dim=-1)
    half = size // 2
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), dim=-1) * sin


class KVCache:
    """Keys and values of the tokens seen so far, in one buffer of fixed length; `position` tokens are filled."""

    def __init__(self, config: Config, batch: int, length: int, dtype: torch.dtype, device: torch.device | str) -> None:
        shape = (config.blocks, batch, config.kv_heads, length, config.head_dim)
        self.keys = torch.zeros(shape, dtype=dtype, device=device)
        self.values = torch.zeros(shape, dtype=dtype, device=device)
        self.position = 0

    @property
    def length(self) -> int:
        return self.keys.shape[3]

    def write(self, block: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store k, v [B, kv_heads, T, head_dim] after the filled positions; returns all filled including these."""
        end = self.position + k.shape[2]
        self.keys[block, :, :, self.position : end] = k
        self.values[block, :, :, self.position : end] = v
        return self.keys[block, :, :, :end], self.values[block, :, :, :end]


class RMSNorm(nn.Module):
    """x / rms(x) * (weight + offset); the mean square is taken in float32 whatever the dtype of x."""

    def __init__(self, width: int, eps: float, offset: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((width,), 1.0 - offset))
        self.eps, self.offset = eps, offset

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        if self.offset:
            return (wide * (self.weight.float() + self.offset)).to(x.dtype)
        return self.weight * wide.to(x.dtype)


def norm(config: Config) -> nn.Module:
    """The norm of hidden states."""
    if config.norm == "layer":
        return nn.LayerNorm(config.width, config.norm_eps, bias=config.norm_bias)
    return RMSNorm(config.width, config.norm_eps, config.norm_offset)


class Attention(Named):
    """Causal self-attention in which groups of query heads share one key-value head."""

    o_proj: nn.Module
    key_values: KeyValueFormat | None

    def __init__(self, config: Config, block: int) -> None:
        super().__init__(config.names)
        self.heads, self.kv_heads, self.head_dim, self.block = config.heads, config.kv_heads, config.head_dim, block
        self.fused, self.qk_norm, self.interleaved = config.fused, config.qk_norm, config.interleaved
        self.scale, self.cap = config.score_scale, config.attention_cap
        width, size = config.width, config.head_dim
        heights = {"q_proj": config.heads * size, "k_proj": config.kv_heads * size, "v_proj": config.kv_heads * size}
        for name, height in {"qkv_proj": sum(heights.values())}.items() if config.fused else heights.items():
            setattr(self, name, linear(config, width, height, config.qkv_bias))
        self.o_proj = linear(config, config.heads * size, width, config.o_bias)
        if config.qk_norm != "none":
            whole = config.qk_norm == "width"
            self.q_norm = RMSNorm(config.heads * size if whole else size, config.norm_eps, config.norm_offset)
            self.k_norm = RMSNorm(config.kv_heads * size if whole else size, config.norm_eps, config.norm_offset)
        self.key_values = None

    def queries_keys_values(self, x: Tensor, turn: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor, Tensor]:
        """q [B, heads, T, head_dim] and k, v [B, kv_heads, T, head_dim] of x [B, T, width], normalized and rotated."""
        counts = (self.heads, self.kv_heads, self.kv_heads)
        if self.fused == "heads":
            q, k, v = self.qkv_proj(x).unflatten(-1, (self.heads, 3, self.head_dim)).unbind(-2)
        else:
            if self.fused:
                parts = self.qkv_proj(x).split([count * self.head_dim for count in counts], dim=-1)
            else:
                parts = self.q_proj(x), self.k_proj(x), self.v_proj(x)
            if self.qk_norm == "width":
                parts = self.q_norm(parts[0]), self.k_norm(parts[1]), parts[2]
            q, k, v = (part.unflatten(-1, (-1, self.head_dim)) for part in parts)
        if self.qk_norm == "head":
            q, k = self.q_norm(q), self.k_norm(k)
        q, k, v = (part.transpose(1, 2) for part in (q, k, v))
        if turn is not None:
            if self.interleaved:  # a score does not change when q and k are reordered alike
                q, k = (part.unflatten(-1, (-1, 2)).transpose(-1, -2).flatten(-2) for part in (q, k))
            q, k = rotate(q, *turn), rotate(k, *turn)
        return q, k, v

    def forward(
        self, x: Tensor, turn: tuple[Tensor, Tensor] | None, mask: Tensor | None, cache: KVCache | None
    ) -> Tensor:
        """turn: cosines and sines; mask: which keys each query sees, None: all up to its own."""
        q, k, v = self.queries_keys_values(x, turn)
        if cache is not None:
            k, v = cache.write(self.block, k, v)
        if self.key_values is not None:
            y = self.key_values.attention(q, k, v, mask, self.scale, self.cap)
        else:
            y = attend(q, k, v, mask, self.scale, self.cap)
        return self.o_proj(y.transpose(1, 2).flatten(-2))


class MLP(Named):
    """down(act(gate(x)) * up(x)), or down(act(up(x))) where there is no gate."""

    down_proj: nn.Module
    fused: bool

    def __init__(self, config: Config) -> None:
        super().__init__(config.names)
        self.activation, self.gated = config.activation, config.gated
        self.fused = config.gated and bool(config.fused)
        width, inner, bias = config.width, config.mlp_width, config.mlp_bias
        if self.fused:
            self.gate_up_proj = linear(config, width, 2 * inner, bias)
        else:
            if config.gated:
                self.gate_proj = linear(config, width, inner, bias)
            self.up_proj = linear(config, width, inner, bias)
        self.down_proj = linear(config, inner, width, bias)

    def forward(self, x: Tensor) -> Tensor:
        if not self.gated:
            return self.down_proj(activate(self.activation, self.up_proj(x)))
        gate, up = self.gate_up_proj(x).chunk(2, dim=-1) if self.fused else (self.gate_proj(x), self.up_proj(x))
        return self.down_proj(activate(self.activation, gate) * up)


class Block(Named):
    """x + attention(norm(x)), then x + mlp(norm(x)); or both from one x where they are parallel."""

    self_attn: Attention
    mlp: MLP

    def __init__(self, config: Config, block: int) -> None:
        super().__init__(config.names)
        self.parallel, self.shared_norm, self.residual_scale = (
            config.parallel, config.shared_norm, config.residual_scale
        )  # fmt: skip
        self.attention_norm = norm(config) if config.input_norms else nn.Identity()
        self.self_attn = Attention(config, block)
        self.attention_output_norm = norm(config) if config.output_norms else nn.Identity()
        self.mlp_norm = norm(config) if config.input_norms and not config.shared_norm else nn.Identity()
        self.mlp = MLP(config)
        self.mlp_output_norm = norm(config) if config.output_norms else nn.Identity()

    def forward(
        self, x: Tensor, turn: tuple[Tensor, Tensor] | None, mask: Tensor | None, cache: KVCache | None
    ) -> Tensor:
        read = self.attention_norm(x)
        y = self.attention_output_norm(self.self_attn(read, turn, mask, cache))
        after = x + self._scaled(y)
        if not self.shared_norm:
            read = self.mlp_norm(x if self.parallel else after)
        return after + self._scaled(self.mlp_output_norm(self.mlp(read)))

    def _scaled(self, y: Tensor) -> Tensor:
        return y if self.residual_scale == 1.0 else y * self.residual_scale


class Decoder(Named):
    """Embedding, blocks, final norm."""

    embed_tokens: nn.Embedding
    embed_positions: nn.Embedding
    layers: Any  # nn.ModuleList of Block

    def __init__(self, config: Config) -> None:
        super().__init__(config.names)
        self.embed_tokens = nn.Embedding(config.vocabulary, config.width)
        if config.learned_positions:
            self.embed_positions = nn.Embedding(config.context_length, config.width)
        self.layers = nn.ModuleList(Block(config, i) for i in range(config.blocks))
        self.norm = norm(config)


class Transformer(Named):
    """Token ids [B, T] in, logits [B, T, vocabulary] out."""

    config: Config
    model: Decoder
    lm_head: nn.Linear

    def __init__(self, config: Config) -> None:
        super().__init__(config.names)
        self.config = config
        self.model = Decoder(config)
        self.lm_head = nn.Linear(config.width, config.vocabulary, bias=False)
        self.tie()
        self.rotary = Rotary(config)
        self.rotaries = {"global": self.rotary}
        if config.local_rope_theta is not None:
            self.rotaries["local"] = Rotary(config, local=True)

    @property
    def blocks(self) -> list[Block]:
        """In order of computation."""
        return list(self.model.layers)

    def tie(self) -> None:
        """Let a tied head be the embedding, whatever weights both have been given."""
        if self.config.tied:
            self.lm_head.weight = self.model.embed_tokens.weight

    def get_input_embeddings(self) -> nn.Module:
        """As transformers' models say it."""
        return self.model.embed_tokens

    def get_output_embeddings(self) -> nn.Module:
        """As transformers' models say it."""
        return self.lm_head

    def initialize(self, generator: torch.Generator | None = None) -> None:
        """Fresh weights: normal(0, 0.02), the two projections that end a residual branch divided by sqrt(2 blocks)."""
        ends = {id(end.weight) for block in self.blocks for end in (block.self_attn.o_proj, block.mlp.down_proj)}
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                std = 0.02 / math.sqrt(2 * self.config.blocks) if id(parameter) in ends else 0.02
                nn.init.normal_(parameter, 0.0, std, generator=generator)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def hidden(self, ids: Tensor, cache: KVCache | None = None) -> Tensor:
        """Final hidden states [B, T, width], after the last norm. With a cache, `ids` continue what it holds.

        Raises ValueError when the cache is too short for the new tokens.
        """
        length = ids.shape[1]
        start = cache.position if cache is not None else 0
        if cache is not None and start + length > cache.length:
            raise ValueError(f"the cache holds {cache.length} tokens; {start + length} are needed")
        x = self.embedded(ids, start)
        around = self.surroundings(length, x, start)
        for block, (turn, mask) in zip(self.blocks, around, strict=True):
            x = block(x, turn, mask, cache)
        if cache is not None:
            cache.position += length
        return self.model.norm(x)

    def embedded(self, ids: Tensor, start: int = 0) -> Tensor:
        """What the first block reads [B, T, width], of token ids [B, T] that stand at `start` and after."""
        x: Tensor = self.model.embed_tokens(ids)
        if self.config.learned_positions:
            x = x + self.model.embed_positions(torch.arange(start, start + ids.shape[1], device=ids.device))
        if self.config.embedding_scale != 1.0:
            x = x * torch.tensor(self.config.embedding_scale, dtype=x.dtype, device=x.device)
        return x

    def surroundings(
        self, length: int, like: Tensor, start: int = 0
    ) -> list[tuple[tuple[Tensor, Tensor] | None, Tensor | None]]:
        """(turn, mask) for every block, beside the hidden states of `length` tokens after `start`, as `like`."""
        config = self.config
        turns = {which: rotary.tables(start, length, like) for which, rotary in self.rotaries.items()}
        masks = {window: visible(length, start + length, window, like.device) for window in {None, *config.windows}}
        return [(turns.get(config.rotation(i) or ""), masks[config.window(i)]) for i in range(len(self.model.layers))]

    def head(self, hidden: Tensor) -> Tensor:
        """Logits of hidden states [..., width]."""
        logits = self.lm_head(hidden)
        if self.config.logit_scale != 1.0:
            logits = logits * self.config.logit_scale
        cap = self.config.logit_cap
        return logits if cap is None else cap * torch.tanh(logits / cap)

    def forward(self, ids: Tensor, cache: KVCache | None = None) -> Tensor:
        return self.head(self.hidden(ids, cache))
