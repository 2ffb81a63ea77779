"""Llama and what computes like it: Mistral (which llama.cpp also calls llama), Mixtral, SmolLM3, Granite."""

from __future__ import annotations

from optlab.models.gguf import rotary
from optlab.models.gguf.architectures import (
    ATTENTION,
    GATED_MLP,
    PAIRS,
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

BLOCK = {**PRE_NORMS, **ATTENTION, **GATED_MLP}
RMS = frozenset({"attention.layer_norm_rms_epsilon"})


def _llama(file: GGUFFile) -> HubConfig:
    width = head_dim(file)
    return {
        **sizes(file),
        **rms_eps(file),
        "head_dim": width,
        "hidden_act": "silu",
        "rope_parameters": rotary.parameters(file, width),
        "attention_bias": has(file, "attn_q.bias") or has(file, "attn_output.bias"),
        "mlp_bias": has(file, "ffn_up.bias"),
    }


def _mixtral(file: GGUFFile) -> HubConfig:
    count, used = experts(file)
    return {**_llama(file), "num_local_experts": count, "num_experts_per_tok": used, "sliding_window": None}


def _smollm3(file: GGUFFile) -> HubConfig:
    """Every fourth block has no rotary positions, which llama.cpp knows by the name of the architecture."""
    blocks = file.count("block_count")
    return {**_llama(file), "no_rope_layers": [int((block + 1) % 4 != 0) for block in range(blocks)]}


def _granite(file: GGUFFile) -> HubConfig:
    width = head_dim(file)
    return {
        **_llama(file),
        "embedding_multiplier": file.decimal("embedding_scale", 1.0),
        "residual_multiplier": file.decimal("residual_scale", 1.0),
        "attention_multiplier": file.decimal("attention.scale", width**-0.5),
        "logits_scaling": file.decimal("logit_scale", 1.0),
    }


MIXTRAL_BLOCK = {
    **PRE_NORMS, **ATTENTION, "ffn_gate_inp": "block_sparse_moe.gate",
    "ffn_gate_exps": "block_sparse_moe.experts.{expert}.w1", "ffn_up_exps": "block_sparse_moe.experts.{expert}.w3",
    "ffn_down_exps": "block_sparse_moe.experts.{expert}.w2",
}  # fmt: skip
ARCHITECTURES = {
    "llama": Architecture("llama", "LlamaForCausalLM", _llama, BLOCK, RMS, arrange=PAIRS),
    "mixtral": Architecture(
        "mixtral", "MixtralForCausalLM", _mixtral, MIXTRAL_BLOCK,
        RMS | {"expert_count", "expert_used_count", "expert_feed_forward_length"}, arrange=PAIRS,
    ),
    "smollm3": Architecture("smollm3", "SmolLM3ForCausalLM", _smollm3, BLOCK, RMS, arrange=PAIRS),
    "granite": Architecture(
        "granite", "GraniteForCausalLM", _granite, BLOCK,
        RMS | {"embedding_scale", "residual_scale", "attention.scale", "logit_scale"}, arrange=PAIRS,
    ),
}  # fmt: skip
