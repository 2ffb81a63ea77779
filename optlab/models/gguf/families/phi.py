"""Phi-2 (LayerNorm, one residual for both branches) and Phi-3 (fused matrices)."""

from __future__ import annotations

from optlab.models.gguf import rotary
from optlab.models.gguf.architectures import ATTENTION, OUTER, PRE_NORMS, Architecture, head_dim, rms_eps, sizes
from optlab.models.gguf.file import GGUFFile
from optlab.models.hub_config import HubConfig

RMS = frozenset({"attention.layer_norm_rms_epsilon"})
LAYER_NORM = frozenset({"attention.layer_norm_epsilon"})
PHI2_BLOCK = {
    "attn_norm": "input_layernorm", **ATTENTION, "attn_output": "self_attn.dense", "ffn_up": "mlp.fc1",
    "ffn_down": "mlp.fc2",
}  # fmt: skip
PHI3_BLOCK = {
    **PRE_NORMS, "attn_qkv": "self_attn.qkv_proj", "attn_output": "self_attn.o_proj", "ffn_up": "mlp.gate_up_proj",
    "ffn_down": "mlp.down_proj",
}  # fmt: skip


def _phi2(file: GGUFFile) -> HubConfig:
    return {
        **sizes(file),
        "layer_norm_eps": file.decimal("attention.layer_norm_epsilon"),
        "hidden_act": "gelu_new",
        "rope_parameters": rotary.parameters(file, head_dim(file), partial=True),
    }


def _phi3(file: GGUFFile) -> HubConfig:
    rope = rotary.parameters(file, head_dim(file), partial=True)
    original = rope.get("original_max_position_embeddings", file.count("context_length", 2048))
    return {
        **sizes(file),
        **rms_eps(file),
        "hidden_act": "silu",
        "rope_parameters": rope,
        "original_max_position_embeddings": original,
        "sliding_window": int(file.number("attention.sliding_window", 0)) or None,
    }


ARCHITECTURES = {
    "phi2": Architecture(
        "phi", "PhiForCausalLM", _phi2, PHI2_BLOCK, LAYER_NORM, {**OUTER, "output_norm": "model.final_layernorm"}
    ),
    "phi3": Architecture("phi3", "Phi3ForCausalLM", _phi3, PHI3_BLOCK, RMS | {"attention.sliding_window"}),
}
