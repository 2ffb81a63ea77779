"""Shape and habits of a model that our own Transformer computes, read from a hub `config.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from optlab.errors import ModelError
from optlab.models.architectures import ARCHITECTURES, FULL, INERT, SLIDING, Architecture
from optlab.models.hub_config import HubConfig, ImpossibleConfigError, flag, real, whole
from optlab.models.rope import rope, two_ropes

ACTIVATIONS = {
    "silu": "silu", "swish": "silu", "gelu": "gelu", "gelu_python": "gelu", "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu_tanh": "gelu_tanh", "relu": "relu",
}  # fmt: skip
"""The hub's names of activations -> ours. "gelu" is x * Phi(x) by the error function, "gelu_tanh" its usual
approximation."""


@dataclass(frozen=True)
class Config:
    """Shape and habits of a model. Sizes in features, positions in tokens.

    rotary_dim: how many features of a head are rotated (None: all, 0: none). interleaved: rotated pairs are neighbours
    instead of the two halves of a head. windows: of each block, how many tokens a query sees, its own included (None:
    all); () when no block has a window. rotated: whether each block rotates; () when all do. local_rope_theta: base of
    the blocks with a window, where it is another one (they are not scaled). norm: "rms" or "layer". input_norms: what
    attention and MLP read is normalized; output_norms: what they give. qk_norm: "none", queries and keys of each
    "head", or of all heads over their common "width". parallel: attention and MLP read the same residual. fused: "" for
    three matrices q, k, v; "rows" for one with q above k above v; "heads" for one with q, k, v of a head side by side.
    fused MLPs with a gate have gate above up. transposed: weights are stored [in, out]. attention_scale: of q k^T,
    default 1 / sqrt(head_dim). *_cap: x becomes cap * tanh(x / cap).
    """

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
    embedding_scale: float = 1.0
    family: str = "llama"
    rotary_dim: int | None = None
    interleaved: bool = False
    learned_positions: bool = False
    local_rope_theta: float | None = None
    windows: tuple[int | None, ...] = ()
    rotated: tuple[bool, ...] = ()
    norm: str = "rms"
    norm_bias: bool = True
    input_norms: bool = True
    output_norms: bool = False
    qk_norm: str = "none"
    parallel: bool = False
    shared_norm: bool = False
    fused: str = ""
    transposed: bool = False
    gated: bool = True
    attention_scale: float | None = None
    attention_cap: float | None = None
    residual_scale: float = 1.0
    logit_scale: float = 1.0
    logit_cap: float | None = None

    @classmethod
    def from_hub(cls, hub: Mapping[str, Any]) -> Config:
        """Read a hub `config.json`. Raises ModelError when it says something that this Transformer does not compute."""
        kind = hub.get("model_type")
        if not isinstance(kind, str) or kind not in ARCHITECTURES:
            raise ModelError("model_type {kind!r} is not one that this Transformer computes", kind=kind)
        architecture = ARCHITECTURES[kind]
        _check_understood(hub, architecture)
        said = {**architecture.fields, **{key: value for key, value in hub.items() if key in architecture.fields}}
        try:
            sizes = _sizes(hub, said, architecture)
            config = cls(**sizes, family=kind, **_habits(hub, said, architecture, sizes))
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise ModelError("config.json is incomplete or malformed: {error!r}", error=error) from None
        counts = (
            config.vocabulary, config.width, config.blocks, config.heads, config.kv_heads, config.head_dim,
            config.mlp_width, config.context_length,
        )  # fmt: skip
        if min(counts) < 1 or config.heads % config.kv_heads:
            raise ModelError("config.json is malformed: heads must be a multiple of key-value heads, sizes positive")
        return config

    def to_hub(self) -> HubConfig:
        """The `config.json` of a Llama with these sizes (for the models this repository trains)."""
        if self.beyond_llama() or self.family != "llama" or self.qkv_bias != self.o_bias or self.activation != "silu":
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

    def beyond_llama(self) -> set[str]:
        """The fields in which this model is another than a Llama with biases of its own."""
        return {f.name for f in fields(self) if f.name not in LLAMA_SAYS and getattr(self, f.name) != f.default}

    def to_dict(self) -> HubConfig:
        return asdict(self)

    @property
    def names(self) -> Mapping[str, str]:
        """Our name of a part -> its name in this family's checkpoints, where they differ."""
        return ARCHITECTURES[self.family].names

    @property
    def score_scale(self) -> float:
        """What q k^T is multiplied by."""
        return 1.0 / math.sqrt(self.head_dim) if self.attention_scale is None else self.attention_scale

    @property
    def turned(self) -> int:
        """Features of a head that are rotated."""
        return self.head_dim if self.rotary_dim is None else self.rotary_dim

    def window(self, block: int) -> int | None:
        """Tokens that a query of a block sees, its own included; None: all."""
        return self.windows[block] if self.windows else None

    def rotation(self, block: int) -> str | None:
        """Which rotary positions a block has: "global", "local", or None."""
        if not self.turned or (self.rotated and not self.rotated[block]):
            return None
        return "local" if self.local_rope_theta is not None and self.window(block) else "global"

    def keeping(self, blocks: Sequence[int]) -> Config:
        """The config of a model that has only these of its blocks left."""
        windows = tuple(self.windows[i] for i in blocks) if self.windows else ()
        rotated = tuple(self.rotated[i] for i in blocks) if self.rotated else ()
        return replace(self, blocks=len(blocks), windows=windows, rotated=rotated)

    def said_of_blocks(self) -> HubConfig:
        """What config.json must spell out after blocks have gone: what it says by a rule on their number."""
        understood = ARCHITECTURES[self.family].fields
        said: HubConfig = {}
        if self.windows and "layer_types" in understood:
            said["layer_types"] = [SLIDING if window else FULL for window in self.windows]
        if self.rotated:
            said["no_rope_layers"] = [int(rotated) for rotated in self.rotated]
        return said


LLAMA_SAYS = {
    "vocabulary", "width", "blocks", "heads", "kv_heads", "head_dim", "mlp_width", "context_length", "rope_theta",
    "rope_scaling", "norm_eps", "qkv_bias", "o_bias", "mlp_bias", "tied", "activation", "family",
}  # fmt: skip


def _check_understood(hub: Mapping[str, Any], architecture: Architecture) -> None:
    known = {*INERT, *architecture.fields, *architecture.sizes.values()}
    for key, value in hub.items():
        if key in architecture.fixed:
            wanted = architecture.fixed[key]
            if value != wanted and (value or wanted):
                raise ModelError("{key} {value!r} is not part of this Transformer", key=key, value=value)
        elif key not in known and value is not None and value is not False:
            raise ModelError("config.json says {key}, which this Transformer does not know", key=key)


def _sizes(hub: Mapping[str, Any], said: Mapping[str, Any], architecture: Architecture) -> HubConfig:
    sizes = {own: whole(hub[key]) for own, key in architecture.sizes.items() if own != "context_length"}
    sizes["context_length"] = whole(hub.get(architecture.sizes["context_length"], 2048))
    heads, width = sizes["heads"], sizes["width"]
    kv_heads, head_dim, inner = (said.get(key) for key in ("num_key_value_heads", "head_dim", "n_inner"))
    sizes["kv_heads"] = heads if kv_heads is None else whole(kv_heads)
    if architecture.reads_head_dim:
        sizes["head_dim"] = width // heads if head_dim is None else whole(head_dim)
    else:
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of {heads} heads")
        sizes["head_dim"] = width // heads
    sizes.setdefault("mlp_width", 4 * width if inner is None else whole(inner))
    return sizes


def _habits(hub: Mapping[str, Any], said: Mapping[str, Any], architecture: Architecture, sizes: HubConfig) -> HubConfig:
    """The fields of Config that are no sizes."""
    traits = dict(architecture.traits)
    width, blocks = sizes["width"], sizes["blocks"]
    local, pattern = traits.pop("local_rope", False), traits.pop("window_pattern", None)
    if traits.get("embedding_scale") == "width":
        traits["embedding_scale"] = math.sqrt(width)
    attention_bias = flag(said.get("attention_bias", False))
    habits: HubConfig = {
        "norm_eps": real(_first(said, "rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon")),
        "qkv_bias": flag(said.get("use_qkv_bias", attention_bias)),
        "o_bias": attention_bias,
        "mlp_bias": flag(said.get("mlp_bias", False)),
        "tied": flag(said["tie_word_embeddings"]),
        "activation": _activation(hub, said),
        "embedding_scale": real(said.get("embedding_multiplier", 1.0)),
        "residual_scale": real(said.get("residual_multiplier", 1.0)),
        "logit_scale": _logit_scale(said),
        "logit_cap": _number(said.get("final_logit_softcapping")),
        "attention_cap": _number(said.get("attn_logit_softcapping")),
        "attention_scale": _attention_scale(said),
    }
    if "use_parallel_residual" in said:
        habits["parallel"] = flag(said["use_parallel_residual"])
        habits["shared_norm"] = habits["parallel"] and hub["model_type"] == "stablelm"
    if "no_rope_layers" in said:
        every = whole(said["no_rope_layer_interval"])
        rotated = said["no_rope_layers"] or [(i + 1) % every for i in range(blocks)]
        habits["rotated"] = tuple(bool(one) for one in _each(rotated, blocks))
    habits["windows"] = _windows(said, blocks, pattern, habits.get("rotated", ()))
    if traits.get("rotary_dim") != 0:
        length = sizes["context_length"]
        habits |= two_ropes(said, architecture, length) if local else rope(hub, said, architecture, length)
    return habits | traits


def _first(said: Mapping[str, Any], *keys: str) -> Any:
    return next(said[key] for key in keys if key in said)


def _number(value: Any) -> float | None:
    return None if value is None else real(value)


def _each(values: Any, blocks: int) -> list[Any]:
    """Raises ValueError unless `values` is a list with one entry for each block."""
    if not isinstance(values, list) or len(values) != blocks:
        raise ValueError(f"{values!r} says nothing about each of {blocks} blocks")
    return values


def _activation(hub: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    kind = hub["model_type"]
    key = next(key for key in ("activation_function", "hidden_activation", "hidden_act") if key in said)
    name = said["hidden_act" if kind == "gemma" else key]
    if kind == "gemma" and name == "gelu":
        return "gelu_tanh"  # what the first files of Gemma meant by it
    if name not in ACTIVATIONS:
        raise ModelError("activation {name!r} is not part of this Transformer", name=name)
    return ACTIVATIONS[name]


def _logit_scale(said: Mapping[str, Any]) -> float:
    if "logits_scaling" in said:
        return 1.0 / real(said["logits_scaling"])
    return real(said.get("logit_scale", 1.0))


def _attention_scale(said: Mapping[str, Any]) -> float | None:
    if "attention_multiplier" in said:
        return real(said["attention_multiplier"])
    if "query_pre_attn_scalar" in said:
        return real(said["query_pre_attn_scalar"]) ** -0.5
    return None


def _windows(
    said: Mapping[str, Any], blocks: int, pattern: int | None, rotated: tuple[bool, ...]
) -> tuple[int | None, ...]:
    """The window of each block; () when none has one."""
    window = said.get("sliding_window") if said.get("use_sliding_window", True) else None
    window = None if window is None else whole(window)
    types = said.get("layer_types")
    if types is None:
        pattern = pattern or said.get("_sliding_window_pattern") or said.get("sliding_window_pattern")
        if pattern is not None:
            slides = [(i + 1) % whole(pattern) != 0 for i in range(blocks)]
        elif "max_window_layers" in said:
            slides = [i >= whole(said["max_window_layers"]) for i in range(blocks)]
        elif "no_rope_layers" in said:
            slides = [not one for one in rotated]
        else:
            slides = [True] * blocks
    else:
        if unknown := sorted(set(_each(types, blocks)) - {FULL, SLIDING}):
            raise ModelError("attention of type {unknown!r} is not part of this Transformer", unknown=unknown[0])
        slides = [one == SLIDING for one in types]
        if any(slides) and window is None:
            raise ImpossibleConfigError("config.json asks for sliding windows and does not say how long they are")
    if window is not None and window < 1:
        raise ValueError(f"a window of {window} tokens")
    return tuple(window if slide else None for slide in slides) if window is not None and any(slides) else ()
