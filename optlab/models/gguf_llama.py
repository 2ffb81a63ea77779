"""Llama-family GGUF files in hub names: the three differences between llama.cpp's layout and the hub's.

Tensors have other names; the rows of q and k are interleaved in files of architecture "llama", because llama.cpp
rotates neighbouring pairs (2i, 2i+1) where hub checkpoints rotate halves (i, i + head_dim/2); and `config.json` is
spread over the metadata. Reading these directly takes seconds, transformers' general reader about twenty.
"""

from __future__ import annotations

import re
from typing import Any

from optlab.errors import ModelError
from optlab.models.gguf_file import GGUFFile

NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
BLOCK_NAMES = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
ROTARY_FACTORS = "rope_freqs.weight"
LLAMA3_SCALING = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
MODEL_TYPES = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM"}


def hub_name(name: str) -> str | None:
    """The hub's name of a GGUF tensor: blk.3.attn_q.weight -> model.layers.3.self_attn.q_proj.weight, or None."""
    match = re.fullmatch(r"(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)", name)
    if match is None:
        return None
    block, part, leaf = match.groups()
    if block is None:
        return f"{NAMES[part]}.{leaf}" if part in NAMES else None
    return f"model.layers.{block}.{BLOCK_NAMES[part]}.{leaf}" if part in BLOCK_NAMES else None


def understands(file: GGUFFile) -> bool:
    """Whether every tensor of the file has a place in a Llama or Qwen2; those of a mixture of experts have none."""
    known = all(hub_name(name) or name == ROTARY_FACTORS for name in file.tensors)
    return file.architecture in MODEL_TYPES and known and not file.own("expert_count")


def unpermute(weights: Any, heads: int) -> Any:
    """Rows of q or k from llama.cpp's order (pairs side by side) to the hub's (first halves, then second halves).

    weights: [heads * head_dim, in] or a bias [heads * head_dim].
    """
    pairs = weights.reshape(heads, weights.shape[0] // heads // 2, 2, *weights.shape[1:])
    return pairs.swapaxes(1, 2).reshape(weights.shape)


def weight(file: GGUFFile, name: str) -> Any:
    """The tensor `name` (llama.cpp's) as the hub would store it, a contiguous float16 array (see GGUFFile.float16)."""
    weights = file.float16(name)
    if file.architecture == "llama" and (".attn_q." in name or ".attn_k." in name):
        heads = file.own("attention.head_count")
        return unpermute(weights, heads if ".attn_q." in name else file.own("attention.head_count_kv", heads))
    return weights


def rotary(file: GGUFFile) -> dict[str, Any]:
    """The hub's rope_parameters. Raises ModelError for a scaling of positions that cannot be expressed.

    llama.cpp stores Llama 3's scaling as the resulting factor of each frequency. Its parameters are found again from
    the largest factor and the constants of the published models, and checked against every stored factor.
    """
    import numpy as np

    theta = _shortest(file.own("rope.freq_base", 10_000.0))
    kind = file.own("rope.scaling.type", "none")
    if ROTARY_FACTORS in file.tensors:
        stored = np.asarray(file.tensors[ROTARY_FACTORS].data, dtype=np.float64)
        scaling = {"factor": float(stored.max()), **LLAMA3_SCALING}
        frequency = theta ** -(np.arange(len(stored)) / len(stored))
        low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
        turns = scaling["original_max_position_embeddings"] * frequency / (2 * np.pi)
        blend = np.clip((turns - low) / (high - low), 0.0, 1.0)
        if not np.allclose(1 / (blend + (1 - blend) / scaling["factor"]), stored, rtol=1e-4):
            raise ModelError("{name} scales its rotary positions in a way that is not known here", name=file.path.name)
        return {"rope_type": "llama3", "rope_theta": theta, **scaling}
    if kind == "linear":
        return {"rope_type": "linear", "rope_theta": theta, "factor": _shortest(file.own("rope.scaling.factor", 1.0))}
    if kind != "none":
        raise ModelError(
            "{name} scales its rotary positions by {kind!r}, which is not known here",
            name=file.path.name,
            kind=kind,
        )
    return {"rope_type": "default", "rope_theta": theta}


def config(file: GGUFFile) -> dict[str, Any]:
    """The hub's config.json of the file."""
    width, heads = int(file.own("embedding_length")), int(file.own("attention.head_count"))
    return {
        "architectures": [MODEL_TYPES[file.architecture]],
        "model_type": file.architecture,
        "vocab_size": int(file.tensors["token_embd.weight"].shape[1]),
        "hidden_size": width,
        "intermediate_size": int(file.own("feed_forward_length")),
        "num_hidden_layers": int(file.own("block_count")),
        "num_attention_heads": heads,
        "num_key_value_heads": int(file.own("attention.head_count_kv", heads)),
        "head_dim": int(file.own("attention.key_length") or file.own("rope.dimension_count") or width // heads),
        "hidden_act": "silu",
        "max_position_embeddings": int(file.own("context_length", 2048)),
        "rms_norm_eps": _shortest(file.own("attention.layer_norm_rms_epsilon", 1e-5)),
        "rope_parameters": rotary(file),
        "attention_bias": file.architecture == "llama" and "blk.0.attn_q.bias" in file.tensors,
        "mlp_bias": "blk.0.ffn_up.bias" in file.tensors,
        "tie_word_embeddings": "output.weight" not in file.tensors,
        "bos_token_id": file.value("tokenizer.ggml.bos_token_id"),
        "eos_token_id": file.value("tokenizer.ggml.eos_token_id"),
        "pad_token_id": file.value("tokenizer.ggml.padding_token_id"),
        "torch_dtype": "float16",
    }


def _shortest(value: float) -> float:
    """9.999999747378752e-06, a float32 widened, as the 1e-05 that was meant."""
    import numpy as np

    return float(str(np.float32(value)))
