"""Models between Llama and GPT: StableLM, Command-R (one residual for both branches), Nemotron."""

from __future__ import annotations

from optlab.models.gguf import rotary
from optlab.models.gguf.architectures import (
    ATTENTION,
    GATED_MLP,
    PRE_NORMS,
    Architecture,
    has,
    head_dim,
    minus_one,
    sizes,
)  # fmt: skip
from optlab.models.gguf.file import GGUFFile
from optlab.models.hub_config import HubConfig

LAYER_NORM = frozenset({"attention.layer_norm_epsilon"})
STABLELM_QK_NORMS = {
    "attn_q_norm": "self_attn.q_layernorm.norms.{expert}", "attn_k_norm": "self_attn.k_layernorm.norms.{expert}",
}  # fmt: skip


def _eps(file: GGUFFile) -> float:
    return file.decimal("attention.layer_norm_epsilon")


def _stablelm(file: GGUFFile) -> HubConfig:
    """llama.cpp tells by the second norm whether attention and MLP follow each other."""
    return {
        **sizes(file),
        "layer_norm_eps": _eps(file),
        "hidden_act": "silu",
        "use_qkv_bias": has(file, "attn_q.bias"),
        "qk_layernorm": has(file, "attn_q_norm.weight"),
        "use_parallel_residual": not has(file, "ffn_norm.weight"),
        "rope_parameters": rotary.parameters(file, head_dim(file), partial=True),
    }


def _cohere(file: GGUFFile) -> HubConfig:
    return {
        **sizes(file),
        "layer_norm_eps": _eps(file),
        "hidden_act": "silu",
        "logit_scale": file.decimal("logit_scale", 1.0),
        "use_qk_norm": has(file, "attn_q_norm.weight"),
        "rope_parameters": rotary.parameters(file, head_dim(file)),
    }


def _nemotron(file: GGUFFile) -> HubConfig:
    return {
        **sizes(file),
        "head_dim": head_dim(file),
        "norm_eps": _eps(file),
        "hidden_act": "relu2",
        "attention_bias": has(file, "attn_q.bias"),
        "mlp_bias": has(file, "ffn_up.bias"),
        "rope_parameters": rotary.parameters(file, head_dim(file), partial=True),
    }


ARCHITECTURES = {
    "stablelm": Architecture(
        "stablelm", "StableLmForCausalLM", _stablelm, {**PRE_NORMS, **ATTENTION, **GATED_MLP, **STABLELM_QK_NORMS},
        LAYER_NORM | {"use_parallel_residual"},
    ),
    "command-r": Architecture(
        "cohere", "CohereForCausalLM", _cohere,
        {"attn_norm": "input_layernorm", **ATTENTION, **GATED_MLP, "attn_q_norm": "self_attn.q_norm",
         "attn_k_norm": "self_attn.k_norm"},
        LAYER_NORM | {"logit_scale"},
    ),
    "nemotron": Architecture(
        "nemotron", "NemotronForCausalLM", _nemotron,
        {**PRE_NORMS, **ATTENTION, "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}, LAYER_NORM,
        arrange=dict.fromkeys(("attn_norm.weight", "ffn_norm.weight", "output_norm.weight"), minus_one),
    ),
}  # fmt: skip
