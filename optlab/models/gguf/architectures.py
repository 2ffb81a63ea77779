"""Which model of the hub a GGUF architecture is: names of tensors, config.json, and what is done to the weights.

An architecture is one entry of a file in `families/`. Everything that a file holds must be in its entry: a key or a
tensor that is not would be computed wrongly, so it is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from optlab.errors import ModelError
from optlab.models.gguf.file import GGUFFile
from optlab.models.hub_config import HubConfig

Arrange = Callable[[GGUFFile, Any], Any]
EXPERT = "{expert}"
KEYS = frozenset({
    "block_count", "context_length", "embedding_length", "feed_forward_length", "vocab_size", "tensor_data_layout",
    "attention.head_count", "attention.head_count_kv", "attention.key_length", "attention.value_length",
})  # fmt: skip
"""Keys that every architecture has, or that say nothing about how it computes."""
ATTENTION = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
}  # fmt: skip
GATED_MLP = {"ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
PRE_NORMS = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
OUTER = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


@dataclass(frozen=True)
class Architecture:
    """One architecture. hub_class, model_type: as config.json names them.

    config: what its config.json says beyond sizes. outer, block: llama.cpp's name of a part -> the hub's, inside
    `blocks` for those of a block; "{expert}" splits a stack of experts. arrange: part ("attn_q", or "attn_norm.weight"
    without its bias) -> what makes the hub's tensor of llama.cpp's. keys: what it reads beyond KEYS, without the
    architecture's name in front. bare: parts whose names end there, neither in .weight nor in .bias. parameters: parts
    that are no layers in the hub: X.weight is X there, and X.bias X_bias. fused: part -> another part that the hub
    keeps in one tensor with it; `arrange` gets both.
    """

    model_type: str
    hub_class: str
    config: Callable[[GGUFFile], HubConfig]
    block: Mapping[str, str]
    keys: frozenset[str]
    outer: Mapping[str, str] = field(default_factory=lambda: OUTER)
    blocks: str = "model.layers"
    arrange: Mapping[str, Arrange] = field(default_factory=dict)
    rotary: bool = True
    bare: frozenset[str] = frozenset()
    parameters: frozenset[str] = frozenset()
    fused: Mapping[str, str] = field(default_factory=dict)

    def hub_name(self, name: str) -> str | None:
        """The hub's name of a GGUF tensor: blk.3.attn_q.weight -> model.layers.3.self_attn.q_proj.weight, or None."""
        number, part, leaf = _parts_of(name)
        if (leaf == "") != (part in self.bare):
            return None
        if number is None:
            return f"{self.outer[part]}{leaf}" if part in self.outer else None
        if part in self.parameters:
            leaf = leaf.removeprefix(".weight").replace(".", "_")
        return f"{self.blocks}.{number}.{self.block[part]}{leaf}" if part in self.block else None

    def comes_with_another(self, name: str) -> bool:
        """Whether a tensor is written together with the one that `fused` names before it."""
        return _parts_of(name)[1] in self.fused.values()

    def tensors(self, file: GGUFFile, name: str) -> Iterator[tuple[str, Any]]:
        """(hub name, array) of what the GGUF tensor `name` becomes; more than one for a stack."""
        target = self.hub_name(name)
        if target is None:
            return
        values = file.weights(name)
        _, part, leaf = _parts_of(name)
        arrange = self.arrange.get(part) or self.arrange.get(f"{part}{leaf}")
        if part in self.fused:
            values = (values, file.weights(name.replace(part, self.fused[part])))
        if arrange is not None:
            values = arrange(file, values)
        if EXPERT not in target:
            yield target, values
            return
        for number, one in enumerate(values):
            yield target.replace(EXPERT, str(number)), one


def _parts_of(name: str) -> tuple[str | None, str, str]:
    """(number of the block, part, leaf) of a tensor: blk.3.attn_q.weight -> ("3", "attn_q", ".weight")."""
    match = re.fullmatch(r"(?:blk\.(\d+)\.)?([\w.]+?)(\.weight|\.bias)?", name)
    return (None, name, "") if match is None else (match[1], match[2], match[3] or "")


def head_dim(file: GGUFFile) -> int:
    """Features of a head. Raises ModelError when keys and values differ, or heads do not divide the width."""
    width, heads = file.count("embedding_length"), file.count("attention.head_count")
    if width % heads and file.own("attention.key_length") is None:
        raise ModelError(
            "{file} has {heads} heads in a width of {width}, which they do not divide",
            file=file.path.name,
            heads=heads,
            width=width,
        )
    found = file.count("attention.key_length", width // heads)
    if file.count("attention.value_length", found) != found:
        raise ModelError(
            "{file} has values of another size than keys ({architecture}.attention.value_length), which is not "
            "understood here",
            file=file.path.name,
            architecture=file.architecture,
        )
    return found


def sizes(file: GGUFFile) -> HubConfig:
    """What the config.json of every Llama-like architecture says."""
    heads = file.count("attention.head_count")
    return {
        "vocab_size": int(file.tensors["token_embd.weight"].shape[0]),
        "hidden_size": file.count("embedding_length"),
        "intermediate_size": file.count("feed_forward_length"),
        "num_hidden_layers": file.count("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": file.count("attention.head_count_kv", heads),
        "max_position_embeddings": file.count("context_length", 2048),
    }


def rms_eps(file: GGUFFile) -> HubConfig:
    return {"rms_norm_eps": file.decimal("attention.layer_norm_rms_epsilon")}


def experts(file: GGUFFile) -> tuple[int, int]:
    """(how many experts a block has, how many of them read a token). Raises ModelError when that is not what is there.

    The file has at least one block with experts.
    """
    stack = next(tensor for name, tensor in file.tensors.items() if name.endswith("ffn_down_exps.weight"))
    count, used = file.count("expert_count"), file.count("expert_used_count")
    if stack.shape[0] != count or used > count:
        raise ModelError(
            "{file} says that {used} of {count} experts read each token, and holds {held}",
            file=file.path.name,
            used=used,
            count=count,
            held=stack.shape[0],
        )
    return count, used


def has(file: GGUFFile, part: str) -> bool:
    """Whether blocks have the tensor `part`, such as "attn_q.bias"."""
    return f"blk.0.{part}" in file.tensors


def unpermute(weights: Any, heads: int) -> Any:
    """Rows of q or k from llama.cpp's order to the hub's: files of some architectures hold pairs (2i, 2i + 1), which
    llama.cpp rotates, where hub checkpoints rotate halves (i, i + head_dim / 2).

    weights: [heads * head_dim, in] or a bias [heads * head_dim].
    """
    pairs = weights.reshape(heads, weights.shape[0] // heads // 2, 2, *weights.shape[1:])
    return pairs.swapaxes(1, 2).reshape(weights.shape)


def unpermute_q(file: GGUFFile, weights: Any) -> Any:
    return unpermute(weights, file.count("attention.head_count"))


def unpermute_k(file: GGUFFile, weights: Any) -> Any:
    return unpermute(weights, file.count("attention.head_count_kv", file.count("attention.head_count")))


PAIRS: dict[str, Arrange] = {"attn_q": unpermute_q, "attn_k": unpermute_k}


def wide(values: Any) -> Any:
    """float32 of an array of `blocks.weights`, whose bfloat16 is uint16."""
    if values.dtype == np.uint16:
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.float32)


def minus_one(_: GGUFFile, values: Any) -> Any:
    """The weight of a norm that the hub stores as w - 1 and llama.cpp as w."""
    return wide(values) - np.float32(1.0)


def transposed(_: GGUFFile, values: Any) -> Any:
    """GPT-2's Conv1D stores [in, out]; biases stay."""
    return values.T if values.ndim == 2 else values


def interleave_qkv(file: GGUFFile, values: Any) -> Any:
    """[3 * heads * head_dim, ...]: q, k and v one after another -> q, k, v of each head together (NeoX, BLOOM)."""
    heads = file.count("attention.head_count")
    parts = values.reshape(3, heads, values.shape[0] // heads // 3, *values.shape[1:])
    return parts.swapaxes(0, 1).reshape(values.shape)
