"""GPT-2 and its descendants: LayerNorm, q, k and v in one matrix; GPT-NeoX, BLOOM, Falcon, StarCoder 1 and 2."""

from __future__ import annotations

from typing import Any

import numpy as np

from optlab.models.gguf import rotary
from optlab.models.gguf.architectures import (
    ATTENTION,
    PRE_NORMS,
    Architecture,
    head_dim,
    interleave_qkv,
    sizes,
    transposed,
)  # fmt: skip
from optlab.models.gguf.file import GGUFFile
from optlab.models.hub_config import HubConfig

LAYER_NORM = frozenset({"attention.layer_norm_epsilon"})
GPT2_BLOCK = {
    "attn_norm": "ln_1", "attn_qkv": "attn.c_attn", "attn_output": "attn.c_proj", "ffn_norm": "ln_2",
    "ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj",
}  # fmt: skip
GPT2_OUTER = {
    "token_embd": "transformer.wte", "position_embd": "transformer.wpe", "output_norm": "transformer.ln_f",
    "output": "lm_head",
}  # fmt: skip
WIDE_MLP = {"ffn_up": "mlp.dense_h_to_4h", "ffn_down": "mlp.dense_4h_to_h"}
NEOX_BLOCK = {
    **PRE_NORMS, "attn_qkv": "attention.query_key_value", "attn_output": "attention.dense", **WIDE_MLP,
}  # fmt: skip
NEOX_OUTER = {"token_embd": "gpt_neox.embed_in", "output_norm": "gpt_neox.final_layer_norm", "output": "embed_out"}
BLOOM_BLOCK = {
    **PRE_NORMS, "attn_qkv": "self_attention.query_key_value", "attn_output": "self_attention.dense", **WIDE_MLP,
}  # fmt: skip
FALCON_BLOCK = {
    "attn_norm": "input_layernorm", "attn_qkv": "self_attention.query_key_value",
    "attn_output": "self_attention.dense", **WIDE_MLP,
}  # fmt: skip
FALCON_TWO_NORMS = {**FALCON_BLOCK, "attn_norm": "ln_mlp", "attn_norm_2": "ln_attn"}
"""Of the largest Falcon, whose attention and MLP each have a norm."""
FALCON_OUTER = {
    "token_embd": "transformer.word_embeddings", "output_norm": "transformer.ln_f", "output": "lm_head",
}  # fmt: skip
BLOOM_OUTER = {
    "token_embd": "transformer.word_embeddings", "token_embd_norm": "transformer.word_embeddings_layernorm",
    "output_norm": "transformer.ln_f", "output": "lm_head",
}  # fmt: skip


def _eps(file: GGUFFile) -> float:
    return file.decimal("attention.layer_norm_epsilon")


def _gpt2(file: GGUFFile) -> HubConfig:
    common = sizes(file)
    return {
        "vocab_size": common["vocab_size"],
        "n_embd": common["hidden_size"],
        "n_inner": common["intermediate_size"],
        "n_layer": common["num_hidden_layers"],
        "n_head": common["num_attention_heads"],
        "n_positions": common["max_position_embeddings"],
        "layer_norm_epsilon": _eps(file),
        "activation_function": "gelu_new",
    }


def _starcoder(file: GGUFFile) -> HubConfig:
    one = file.count("attention.head_count_kv", file.count("attention.head_count")) == 1
    return {**_gpt2(file), "multi_query": one, "activation_function": "gelu_pytorch_tanh"}


def _neox(file: GGUFFile) -> HubConfig:
    return {
        **sizes(file),
        "layer_norm_eps": _eps(file),
        "hidden_act": "gelu",
        "use_parallel_residual": bool(file.own("use_parallel_residual", True)),
        "rope_parameters": rotary.parameters(file, head_dim(file), partial=True),
    }


def _bloom(file: GGUFFile) -> HubConfig:
    common = sizes(file)
    return {
        "vocab_size": common["vocab_size"],
        "hidden_size": common["hidden_size"],
        "n_layer": common["num_hidden_layers"],
        "n_head": common["num_attention_heads"],
        "seq_length": common["max_position_embeddings"],
        "layer_norm_epsilon": _eps(file),
    }


def _falcon(file: GGUFFile) -> HubConfig:
    """One head of keys and values for all queries (7B), or groups of heads with one norm (11B) or two (40B)."""
    common = sizes(file)
    groups = common["num_key_value_heads"]
    return {
        "vocab_size": common["vocab_size"],
        "hidden_size": common["hidden_size"],
        "ffn_hidden_size": common["intermediate_size"],
        "num_hidden_layers": common["num_hidden_layers"],
        "num_attention_heads": common["num_attention_heads"],
        "num_kv_heads": groups,
        "max_position_embeddings": common["max_position_embeddings"],
        "layer_norm_epsilon": _eps(file),
        "activation": "gelu",
        "multi_query": groups == 1,
        "new_decoder_architecture": groups > 1 or _two_norms(file),
        "num_ln_in_parallel_attn": 2 if _two_norms(file) else 1,
        "parallel_attn": True,
        "alibi": False,
        "bias": False,
        "rope_parameters": rotary.parameters(file, head_dim(file)),
    }


def _two_norms(file: GGUFFile) -> bool:
    return "blk.0.attn_norm_2.weight" in file.tensors


def _grouped_qkv(file: GGUFFile, values: Any) -> Any:
    """All q, all k, all v -> the q of a group of heads and then its k and v, group by group."""
    heads = file.count("attention.head_count")
    groups = file.count("attention.head_count_kv", heads)
    head = values.shape[0] // (heads + 2 * groups)
    q, k, v = (
        part.reshape(groups, -1, values.shape[-1]) for part in np.split(values, (heads * head, (heads + groups) * head))
    )
    return np.concatenate((q, k, v), axis=1).reshape(values.shape)


def _starcoder2(file: GGUFFile) -> HubConfig:
    return {
        **sizes(file),
        "norm_epsilon": _eps(file),
        "hidden_act": "gelu_pytorch_tanh",
        "sliding_window": None,
        "use_bias": "blk.0.attn_q.bias" in file.tensors,
        "rope_parameters": rotary.parameters(file, head_dim(file)),
    }


CONV1D = dict.fromkeys(("attn_qkv", "attn_output", "ffn_up", "ffn_down"), transposed)
ARCHITECTURES = {
    "gpt2": Architecture(
        "gpt2", "GPT2LMHeadModel", _gpt2, GPT2_BLOCK, LAYER_NORM, GPT2_OUTER, "transformer.h", CONV1D, rotary=False
    ),
    "starcoder": Architecture(
        "gpt_bigcode", "GPTBigCodeForCausalLM", _starcoder, GPT2_BLOCK, LAYER_NORM, GPT2_OUTER, "transformer.h",
        rotary=False,
    ),
    "gptneox": Architecture(
        "gpt_neox", "GPTNeoXForCausalLM", _neox, NEOX_BLOCK, LAYER_NORM | {"use_parallel_residual"}, NEOX_OUTER,
        "gpt_neox.layers", {"attn_qkv": interleave_qkv},
    ),
    "bloom": Architecture(
        "bloom", "BloomForCausalLM", _bloom, BLOOM_BLOCK, LAYER_NORM, BLOOM_OUTER, "transformer.h",
        {"attn_qkv": interleave_qkv}, rotary=False,
    ),
    "falcon": Architecture(
        "falcon", "FalconForCausalLM", _falcon, FALCON_BLOCK, LAYER_NORM, FALCON_OUTER, "transformer.h",
        {"attn_qkv": _grouped_qkv},
    ),
    "falcon-two-norms": Architecture(
        "falcon", "FalconForCausalLM", _falcon, FALCON_TWO_NORMS, LAYER_NORM, FALCON_OUTER, "transformer.h",
        {"attn_qkv": _grouped_qkv},
    ),
    "starcoder2": Architecture(
        "starcoder2", "Starcoder2ForCausalLM", _starcoder2,
        {**PRE_NORMS, **ATTENTION, "ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj"}, LAYER_NORM,
    ),
}  # fmt: skip
