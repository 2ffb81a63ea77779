"""Gemma 1, 2 and 3. llama.cpp stores the weights of their norms as they multiply, the hub one less.

What the file does not say, llama.cpp knows by the size of the model: Gemma 2 with 46 blocks and Gemma 3 with 62 (both
27B) scale queries by the width divided by the heads instead of by the size of a head.
"""

from __future__ import annotations

from optlab.models.gguf import rotary
from optlab.models.gguf.architectures import (
    ATTENTION,
    GATED_MLP,
    OUTER,
    PRE_NORMS,
    Architecture,
    head_dim,
    minus_one,
    rms_eps,
    sizes,
)  # fmt: skip
from optlab.models.gguf.file import GGUFFile
from optlab.models.hub_config import HubConfig

RMS = frozenset({"attention.layer_norm_rms_epsilon"})
NORMS = ("attn_norm", "ffn_norm", "post_attention_norm", "post_ffw_norm", "attn_q_norm", "attn_k_norm", "output_norm")
SANDWICH = {
    "attn_norm": "input_layernorm", "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm", "post_ffw_norm": "post_feedforward_layernorm",
}  # fmt: skip
GEMMA2_27B, GEMMA3_27B = 46, 62
CAPS = frozenset({"attn_logit_softcapping", "final_logit_softcapping"})
WINDOW = frozenset({"attention.sliding_window", "attention.sliding_window_pattern"})


def _gemma(file: GGUFFile) -> HubConfig:
    width = head_dim(file)
    return {
        **sizes(file),
        **rms_eps(file),
        "head_dim": width,
        "hidden_act": "gelu_pytorch_tanh",
        "hidden_activation": "gelu_pytorch_tanh",
        "rope_parameters": rotary.parameters(file, width),
    }


def _query_scalar(file: GGUFFile, blocks_27b: int) -> float:
    if file.count("block_count") == blocks_27b:
        return file.count("embedding_length") / file.count("attention.head_count")
    return head_dim(file)


def layer_types(file: GGUFFile, period: int) -> list[str]:
    """Every `period`-th block sees everything. A file may say its own period, or true for each windowed block."""
    blocks, pattern = file.count("block_count"), file.own("attention.sliding_window_pattern", period)
    local = pattern if isinstance(pattern, list) else [bool((block + 1) % pattern) for block in range(blocks)]
    return ["sliding_attention" if windowed else "full_attention" for windowed in local[:blocks]]


def _caps(file: GGUFFile, attention: float | None, final: float | None) -> HubConfig:
    own = file.own("attn_logit_softcapping", attention), file.own("final_logit_softcapping", final)
    return {"attn_logit_softcapping": own[0] or None, "final_logit_softcapping": own[1] or None}


def _gemma2(file: GGUFFile) -> HubConfig:
    return {
        **_gemma(file),
        **_caps(file, 50.0, 30.0),
        "query_pre_attn_scalar": _query_scalar(file, GEMMA2_27B),
        "sliding_window": file.count("attention.sliding_window", 4096),
        "layer_types": layer_types(file, 2),
    }


def _gemma3(file: GGUFFile) -> HubConfig:
    """Blocks with a window have their own base of rotary positions, and no scaling."""
    config = _gemma(file)
    local = {"rope_type": "default", "rope_theta": file.decimal("rope.freq_base_swa", 10_000.0)}
    return {
        **config,
        **_caps(file, None, None),
        "rope_parameters": {"full_attention": config["rope_parameters"], "sliding_attention": local},
        "query_pre_attn_scalar": _query_scalar(file, GEMMA3_27B),
        "sliding_window": file.count("attention.sliding_window", 4096),
        "layer_types": layer_types(file, 6),
    }


MINUS_ONE = dict.fromkeys(NORMS, minus_one)
ARCHITECTURES = {
    "gemma": Architecture(
        "gemma", "GemmaForCausalLM", _gemma, {**PRE_NORMS, **ATTENTION, **GATED_MLP}, RMS, OUTER, arrange=MINUS_ONE
    ),
    "gemma2": Architecture(
        "gemma2", "Gemma2ForCausalLM", _gemma2, {**SANDWICH, **ATTENTION, **GATED_MLP}, RMS | CAPS | WINDOW,
        arrange=MINUS_ONE,
    ),
    "gemma3": Architecture(
        "gemma3_text", "Gemma3ForCausalLM", _gemma3,
        {**SANDWICH, **ATTENTION, **GATED_MLP, "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"},
        RMS | CAPS | WINDOW | {"rope.freq_base_swa"}, arrange=MINUS_ONE,
    ),
}  # fmt: skip
