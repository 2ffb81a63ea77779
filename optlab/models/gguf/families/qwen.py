"""Qwen 2 and 3, and their mixtures of experts. Their rows are in the hub's order."""

from __future__ import annotations

from typing import Any

from optlab.models.gguf import rotary
from optlab.models.gguf.architectures import (
    ATTENTION,
    GATED_MLP,
    PRE_NORMS,
    Architecture,
    experts,
    has,
    head_dim,
    rms_eps,
    sizes,
)  # fmt: skip
from optlab.models.gguf.file import GGUFFile
from optlab.models.hub_config import HubConfig

RMS = frozenset({"attention.layer_norm_rms_epsilon"})
QK_NORMS = {"attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"}
EXPERTS = {
    "ffn_gate_inp": "mlp.gate", "ffn_gate_exps": "mlp.experts.{expert}.gate_proj",
    "ffn_up_exps": "mlp.experts.{expert}.up_proj", "ffn_down_exps": "mlp.experts.{expert}.down_proj",
}  # fmt: skip
SHARED = {
    "ffn_gate_inp_shexp": "mlp.shared_expert_gate", "ffn_gate_shexp": "mlp.shared_expert.gate_proj",
    "ffn_up_shexp": "mlp.shared_expert.up_proj", "ffn_down_shexp": "mlp.shared_expert.down_proj",
}  # fmt: skip
EXPERT_KEYS = frozenset({"expert_count", "expert_used_count", "expert_feed_forward_length", "expert_weights_norm"})


def _qwen(file: GGUFFile) -> HubConfig:
    width = head_dim(file)
    return {
        **sizes(file),
        **rms_eps(file),
        "head_dim": width,
        "hidden_act": "silu",
        "rope_parameters": rotary.parameters(file, width),
        "use_sliding_window": False,
    }


def _qwen3(file: GGUFFile) -> HubConfig:
    return {**_qwen(file), "attention_bias": has(file, "attn_q.bias")}


def _experts(file: GGUFFile) -> HubConfig:
    count, used = experts(file)
    width = file.tensors["blk.0.ffn_gate_exps.weight"].shape[1]
    return {
        "num_experts": count,
        "num_experts_per_tok": used,
        "moe_intermediate_size": file.count("expert_feed_forward_length", width),
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
    }


def _qwen2moe(file: GGUFFile) -> HubConfig:
    """Without a key llama.cpp does not divide the chosen experts' weights by their sum here, and does in Qwen 3."""
    shared = file.tensors["blk.0.ffn_gate_shexp.weight"].shape[0]
    return {
        **_qwen(file),
        **_experts(file),
        "qkv_bias": has(file, "attn_q.bias"),
        "norm_topk_prob": bool(file.own("expert_weights_norm", False)),
        "shared_expert_intermediate_size": file.count("expert_shared_feed_forward_length", shared),
    }


def _qwen3moe(file: GGUFFile) -> HubConfig:
    return {**_qwen3(file), **_experts(file), "norm_topk_prob": bool(file.own("expert_weights_norm", True))}


def _as_matrix(_: GGUFFile, values: Any) -> Any:
    """The gate of the shared expert is a vector in llama.cpp, [1, in] in the hub."""
    return values.reshape(1, -1)


ARCHITECTURES = {
    "qwen2": Architecture("qwen2", "Qwen2ForCausalLM", _qwen, {**PRE_NORMS, **ATTENTION, **GATED_MLP}, RMS),
    "qwen3": Architecture(
        "qwen3", "Qwen3ForCausalLM", _qwen3, {**PRE_NORMS, **ATTENTION, **GATED_MLP, **QK_NORMS}, RMS
    ),
    "qwen2moe": Architecture(
        "qwen2_moe", "Qwen2MoeForCausalLM", _qwen2moe, {**PRE_NORMS, **ATTENTION, **EXPERTS, **SHARED},
        RMS | EXPERT_KEYS | {"expert_shared_feed_forward_length"}, arrange={"ffn_gate_inp_shexp": _as_matrix},
    ),
    "qwen3moe": Architecture(
        "qwen3_moe", "Qwen3MoeForCausalLM", _qwen3moe, {**PRE_NORMS, **ATTENTION, **EXPERTS, **QK_NORMS},
        RMS | EXPERT_KEYS,
    ),
}  # fmt: skip
