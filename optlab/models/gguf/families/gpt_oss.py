"""gpt-oss: experts with biases, sinks of attention, a window in every other block."""

from __future__ import annotations

from typing import Any

import numpy as np

from optlab.models.gguf import rotary
from optlab.models.gguf.architectures import ATTENTION, Architecture, experts, head_dim, rms_eps, sizes, wide
from optlab.models.gguf.families.gemma import layer_types
from optlab.models.gguf.file import GGUFFile
from optlab.models.hub_config import HubConfig

KEYS = frozenset({
    "attention.layer_norm_rms_epsilon", "attention.sliding_window", "attention.sliding_window_pattern", "expert_count",
    "expert_used_count", "expert_feed_forward_length",
})  # fmt: skip
BLOCK = {
    "attn_norm": "input_layernorm", "post_attention_norm": "post_attention_layernorm", **ATTENTION,
    "attn_sinks": "self_attn.sinks", "ffn_gate_inp": "mlp.router", "ffn_gate_exps": "mlp.experts.gate_up_proj",
    "ffn_up_exps": "mlp.experts.gate_up_proj", "ffn_down_exps": "mlp.experts.down_proj",
}  # fmt: skip


def _gpt_oss(file: GGUFFile) -> HubConfig:
    """The hub's YaRN does not round the dimensions between which it blends; llama.cpp does, for all models."""
    count, used = experts(file)
    width = head_dim(file)
    return {
        **sizes(file),
        **rms_eps(file),
        "intermediate_size": file.count("expert_feed_forward_length", file.count("feed_forward_length")),
        "head_dim": width,
        "num_local_experts": count,
        "num_experts_per_tok": used,
        "sliding_window": file.count("attention.sliding_window"),
        "layer_types": layer_types(file, 2),
        "attention_bias": True,
        "rope_parameters": {**rotary.parameters(file, width), "truncate": False},
    }


def _gate_and_up(_: GGUFFile, pair: tuple[Any, Any]) -> Any:
    """[experts, inner, in] of both -> [experts, in, 2 * inner], one column of each in turns; biases likewise."""
    gate, up = pair if pair[0].dtype == pair[1].dtype else map(wide, pair)
    both = np.stack((gate, up), axis=2)
    both = both.reshape(len(both), -1, *both.shape[3:])
    return np.ascontiguousarray(both.swapaxes(1, -1)) if both.ndim == 3 else both


def _inputs_first(_: GGUFFile, values: Any) -> Any:
    """[experts, out, in] -> [experts, in, out]; biases [experts, out] stay."""
    return np.ascontiguousarray(values.swapaxes(1, 2)) if values.ndim == 3 else values


ARCHITECTURES = {
    "gpt-oss": Architecture(
        "gpt_oss", "GptOssForCausalLM", _gpt_oss, BLOCK, KEYS,
        arrange={"ffn_gate_exps": _gate_and_up, "ffn_down_exps": _inputs_first},
        parameters=frozenset({"attn_sinks", "ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"}),
        fused={"ffn_gate_exps": "ffn_up_exps"},
    ),
}  # fmt: skip
