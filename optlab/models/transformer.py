"""A decoder-only Transformer of the Llama family, from scratch: the one file that says how such a model computes.

Embedding, RMSNorm, rotary positions, grouped-query attention with a key-value cache, SwiGLU, tied or separate head;
with the small variations of Qwen2 (biases on q, k, v) and Gemma (norm weights stored as w - 1, scaled embedding, GELU).
It trains nano, runs every Llama-family model of the catalog, and is what `optlab.kernels` packs. Parameter names are
the hub's, so a hub checkpoint loads with `load_state_dict`.

Sources: Touvron et al., arXiv 2302.13971; RMSNorm 1910.07467; rotary positions 2104.09864; SwiGLU 2002.05202; grouped
queries 2305.13245.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from optlab.errors import ModelError
from optlab.models.key_values import KeyValueFormat

ACTIVATIONS = {"silu": "silu", "swish": "silu", "gelu_pytorch_tanh": "gelu_tanh", "gelu_tanh": "gelu_tanh"}
TRAITS: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {},
    "qwen2": {"qkv_bias": True},
    "gemma": {"norm_offset": 1.0, "scale_embedding": True, "activation": "gelu_tanh"},
}
"""What a hub `config.json` does not say: the habits of each architecture's code, by its `model_type`."""


@dataclass(frozen=True)
class Config:
    """Shape and habits of a model. Sizes in features, positions in tokens."""

    vocabulary: int
    width: int
    blocks: int
    heads: int
    kv_heads: int
    head_dim: int
    mlp_width: int
    context_length: int
    rope_theta: float = 10_000.0
    rope_scaling: tuple[tuple[str, Any], ...] = ()
    norm_eps: float = 1e-5
    qkv_bias: bool = False
    o_bias: bool = False
    mlp_bias: bool = False
    tied: bool = True
    activation: str = "silu"
    norm_offset: float = 0.0
    scale_embedding: bool = False

    @classmethod
    def from_hub(cls, hub: Mapping[str, Any]) -> Config:
        """Read a hub `config.json`. Raises ModelError when the structure is not of this family."""
        kind = hub.get("model_type")
        if kind not in TRAITS:
            raise ModelError("model_type {kind!r} is not of the Llama family", kind=kind)
        # Mistral's window only matters when it is shorter than the context the model is used with.
        window = hub.get("sliding_window") if hub.get("use_sliding_window", kind == "mistral") else None
        if window and window < hub.get("max_position_embeddings", 0):
            raise ModelError(
                "sliding-window attention ({window} tokens) is not part of this Transformer", window=window
            )
        rope = dict(hub.get("rope_parameters") or hub.get("rope_scaling") or {})
        rope_type = rope.pop("rope_type", rope.pop("type", "default"))
        theta = rope.pop("rope_theta", None) or hub.get("rope_theta") or 10_000.0
        if rope_type not in ("default", "linear", "llama3") or rope.get("partial_rotary_factor", 1.0) != 1.0:
            raise ModelError(
                "rotary positions of type {rope_type!r} are not part of this Transformer",
                rope_type=rope_type,
            )
        activation = hub.get("hidden_activation") or hub.get("hidden_act") or "silu"
        if activation not in ACTIVATIONS and "activation" not in TRAITS[kind]:
            raise ModelError("activation {activation!r} is not part of this Transformer", activation=activation)
        try:
            width, heads = int(hub["hidden_size"]), int(hub["num_attention_heads"])
            values: dict[str, Any] = {
                "vocabulary": int(hub["vocab_size"]),
                "width": width,
                "blocks": int(hub["num_hidden_layers"]),
                "heads": heads,
                "kv_heads": int(hub.get("num_key_value_heads") or heads),
                "head_dim": int(hub.get("head_dim") or width // heads),
                "mlp_width": int(hub["intermediate_size"]),
                "context_length": int(hub.get("max_position_embeddings", 2048)),
                "rope_theta": float(theta),
                "rope_scaling": () if rope_type == "default" else (("rope_type", rope_type), *sorted(rope.items())),
                "norm_eps": float(hub.get("rms_norm_eps", 1e-6)),
                "qkv_bias": bool(hub.get("attention_bias", False)),
                "o_bias": bool(hub.get("attention_bias", False)),
                "mlp_bias": bool(hub.get("mlp_bias", False)),
                "tied": bool(hub.get("tie_word_embeddings", kind == "gemma")),
                "activation": ACTIVATIONS.get(activation, "silu"),
            }
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise ModelError("config.json is incomplete or malformed: {error!r}", error=error) from None
        config = cls(**{**values, **TRAITS[kind]})
        if config.heads % config.kv_heads or min(config.width, config.blocks, config.head_dim, config.mlp_width) < 1:
            raise ModelError("config.json is malformed: heads must be a multiple of key-value heads, sizes positive")
        return config

    def to_hub(self) -> dict[str, Any]:
        """The `config.json` of a Llama with these sizes (for the models this repository trains)."""
        if self.norm_offset or self.scale_embedding or self.activation != "silu" or self.qkv_bias != self.o_bias:
            raise ModelError("only a plain Llama can be described as a Llama")
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": self.vocabulary,
            "hidden_size": self.width,
            "num_hidden_layers": self.blocks,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_dim,
            "intermediate_size": self.mlp_width,
            "max_position_embeddings": self.context_length,
            "rope_parameters": {"rope_theta": self.rope_theta, "rope_type": "default", **dict(self.rope_scaling)},
            "rms_norm_eps": self.norm_eps,
            "attention_bias": self.qkv_bias,
            "mlp_bias": self.mlp_bias,
            "tie_word_embeddings": self.tied,
            "hidden_act": "silu",
        }

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Rotary:
    """Cosines and sines of rotary positions, float32, grown on demand and shared by all blocks.

    Angle of position m in pair i: m * theta^(-2i/head_dim) (2104.09864, eq. 15), the pairs being (i, i + head_dim/2)
    as in hub checkpoints.
    """

    def __init__(self, config: Config) -> None:
        exponent = torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim
        self.frequencies = self._scaled(1.0 / config.rope_theta**exponent, dict(config.rope_scaling))
        self.cos = self.sin = torch.empty(0, config.head_dim)

    @staticmethod
    def _scaled(frequencies: Tensor, scaling: dict[str, Any]) -> Tensor:
        if not scaling:
            return frequencies
        factor = scaling["factor"]
        if scaling["rope_type"] == "linear":
            return frequencies / factor
        # Llama 3: long wavelengths are slowed by `factor`, short ones kept, those between blended.
        length, low, high = (
            scaling[k] for k in ("original_max_position_embeddings", "low_freq_factor", "high_freq_factor")
        )
        blend = ((length * frequencies / (2 * math.pi) - low) / (high - low)).clamp(0.0, 1.0)
        return frequencies * (blend + (1 - blend) / factor)

    def tables(self, start: int, length: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """(cos, sin), each [length, head_dim], in the dtype and on the device of `like`."""
        if start + length > self.cos.shape[0] or self.cos.device != like.device:
            size = max(2 * self.cos.shape[0], start + length, 512)
            # Made once, kept for all: tables of a measurement would refuse the gradients of a later training.
            with torch.inference_mode(False):
                angle = torch.outer(torch.arange(size, dtype=torch.float32), self.frequencies).repeat(1, 2)
                self.cos, self.sin = angle.cos().to(like.device), angle.sin().to(like.device)
        rows = slice(start, start + length)
        return self.cos[rows].to(like.dtype), self.sin[rows].to(like.dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Apply rotary positions to x [..., T, head_dim]."""
    half = x.shape[-1] // 2
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


class Attention(nn.Module):
    """Causal self-attention in which groups of query heads share one key-value head."""

    def __init__(self, config: Config, block: int) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim, self.block = config.heads, config.kv_heads, config.head_dim, block
        width, bias = config.width, config.qkv_bias
        self.q_proj = nn.Linear(width, self.heads * self.head_dim, bias=bias)
        self.k_proj = nn.Linear(width, self.kv_heads * self.head_dim, bias=bias)
        self.v_proj = nn.Linear(width, self.kv_heads * self.head_dim, bias=bias)
        self.o_proj = nn.Linear(self.heads * self.head_dim, width, bias=config.o_bias)
        self.key_values: KeyValueFormat | None = None

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, cache: KVCache | None) -> Tensor:
        batch, length, _ = x.shape
        q = self.q_proj(x).view(batch, length, self.heads, self.head_dim).transpose(1, 2)
        k = self.k_proj(x).view(batch, length, self.kv_heads, self.head_dim).transpose(1, 2)
        v = self.v_proj(x).view(batch, length, self.kv_heads, self.head_dim).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        past = 0
        if cache is not None:
            past = cache.position
            k, v = cache.write(self.block, k, v)
        if self.key_values is not None:
            y = self.key_values.attention(q, k, v)
            return self.o_proj(y.transpose(1, 2).reshape(batch, length, self.heads * self.head_dim))
        mask = None
        if past and length > 1:
            mask = torch.ones(length, past + length, dtype=torch.bool, device=x.device).tril(past)
        y = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=length > 1 and not past, enable_gqa=self.heads != self.kv_heads
        )
        return self.o_proj(y.transpose(1, 2).reshape(batch, length, self.heads * self.head_dim))


class MLP(nn.Module):
    """down(act(gate(x)) * up(x))."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.width, config.mlp_width, bias=config.mlp_bias)
        self.up_proj = nn.Linear(config.width, config.mlp_width, bias=config.mlp_bias)
        self.down_proj = nn.Linear(config.mlp_width, config.width, bias=config.mlp_bias)
        self.tanh_gelu = config.activation == "gelu_tanh"

    def forward(self, x: Tensor) -> Tensor:
        gate = self.gate_proj(x)
        gate = F.gelu(gate, approximate="tanh") if self.tanh_gelu else F.silu(gate)
        return self.down_proj(gate * self.up_proj(x))


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, config: Config, block: int) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.width, config.norm_eps, config.norm_offset)
        self.self_attn = Attention(config, block)
        self.post_attention_layernorm = RMSNorm(config.width, config.norm_eps, config.norm_offset)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, cache: KVCache | None) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, cache)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    """Embedding, blocks, final norm; named `model` inside Transformer because hub checkpoints name it so."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocabulary, config.width)
        self.layers = nn.ModuleList(Block(config, i) for i in range(config.blocks))
        self.norm = RMSNorm(config.width, config.norm_eps, config.norm_offset)


class Transformer(nn.Module):
    """Token ids [B, T] in, logits [B, T, vocabulary] out."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.model = Decoder(config)
        self.lm_head = nn.Linear(config.width, config.vocabulary, bias=False)
        if config.tied:
            self.lm_head.weight = self.model.embed_tokens.weight
        self.rotary = Rotary(config)

    def initialize(self, generator: torch.Generator | None = None) -> None:
        """Fresh weights: normal(0, 0.02), the two projections that end a residual branch divided by sqrt(2 blocks)."""
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                residual = name.endswith(("o_proj.weight", "down_proj.weight"))
                std = 0.02 / math.sqrt(2 * self.config.blocks) if residual else 0.02
                nn.init.normal_(parameter, 0.0, std, generator=generator)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def hidden(self, ids: Tensor, cache: KVCache | None = None) -> Tensor:
        """Final hidden states [B, T, width], after the last norm. With a cache, `ids` continue what it holds.

        Raises ValueError when the cache is too short for the new tokens.
        """
        start = cache.position if cache is not None else 0
        if cache is not None and start + ids.shape[1] > cache.length:
            raise ValueError(f"the cache holds {cache.length} tokens; {start + ids.shape[1]} are needed")
        x = self.model.embed_tokens(ids)
        if self.config.scale_embedding:
            x = x * torch.tensor(math.sqrt(self.config.width), dtype=x.dtype, device=x.device)
        cos, sin = self.rotary.tables(start, ids.shape[1], x)
        for block in self.model.layers:
            x = block(x, cos, sin, cache)
        if cache is not None:
            cache.position += ids.shape[1]
        return self.model.norm(x)

    def head(self, hidden: Tensor) -> Tensor:
        """Logits of hidden states [..., width]."""
        return self.lm_head(hidden)

    def forward(self, ids: Tensor, cache: KVCache | None = None) -> Tensor:
        return self.head(self.hidden(ids, cache))
