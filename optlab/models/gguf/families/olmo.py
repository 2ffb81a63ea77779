"""OLMo (norms without weights), OLMo 2 (norms after each branch) and OLMoE."""

from __future__ import annotations

from optlab.models.gguf import rotary
from optlab.models.gguf.architectures import (
    ATTENTION,
    GATED_MLP,
    PAIRS,
    PRE_NORMS,
    Architecture,
    experts,
    head_dim,
    rms_eps,
    sizes,
)  # fmt: skip
from optlab.models.gguf.families.qwen import EXPERT_KEYS, EXPERTS, QK_NORMS
from optlab.models.gguf.file import GGUFFile
from optlab.models.hub_config import HubConfig

RMS = frozenset({"attention.layer_norm_rms_epsilon"})
POST_NORMS = {"post_attention_norm": "post_attention_layernorm", "post_ffw_norm": "post_feedforward_layernorm"}


def _common(file: GGUFFile) -> HubConfig:
    return {**sizes(file), "hidden_act": "silu", "rope_parameters": rotary.parameters(file, head_dim(file))}


def _olmo(file: GGUFFile) -> HubConfig:
    return {**_common(file), "clip_qkv": file.own("attention.clamp_kqv") or None}


def _olmo2(file: GGUFFile) -> HubConfig:
    return {**_common(file), **rms_eps(file)}


def _olmoe(file: GGUFFile) -> HubConfig:
    count, used = experts(file)
    return {
        **_common(file),
        **rms_eps(file),
        "num_experts": count,
        "num_experts_per_tok": used,
        "norm_topk_prob": bool(file.own("expert_weights_norm", False)),
        "clip_qkv": None,
    }


ARCHITECTURES = {
    "olmo": Architecture(
        "olmo", "OlmoForCausalLM", _olmo, {**ATTENTION, **GATED_MLP},
        frozenset({"attention.layer_norm_epsilon", "attention.clamp_kqv"}), arrange=PAIRS,
    ),
    "olmo2": Architecture(
        "olmo2", "Olmo2ForCausalLM", _olmo2, {**POST_NORMS, **ATTENTION, **GATED_MLP, **QK_NORMS}, RMS
    ),
    "olmoe": Architecture(
        "olmoe", "OlmoeForCausalLM", _olmoe, {**PRE_NORMS, **ATTENTION, **EXPERTS, **QK_NORMS}, RMS | EXPERT_KEYS
    ),
}  # fmt: skip
