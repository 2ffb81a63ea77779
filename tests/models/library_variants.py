"""Random variants of the families that go through transformers: values that their config classes take, by family."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.tiny import CONFIGS, MIXTURES, OTHERS, RECURRENT, SHARED

Values = dict[str, list[Any]]

ROPES: list[dict[str, Any]] = [
    {"rope_type": "default", "rope_theta": 500.0},
    {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0},
    {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0},
    {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 16},
]
BLOCKS: Values = {"num_hidden_layers": [1, 2, 3]}
HEADS: Values = {"num_attention_heads": [2, 4], "num_key_value_heads": [1, 2]}
MLP: Values = {"intermediate_size": [32, 96]}
TIED: Values = {"tie_word_embeddings": [False, True]}
ROTATED: Values = {**HEADS, **MLP, **TIED, "rope_parameters": ROPES}
ACTIVATION: Values = {"hidden_act": ["silu", "gelu", "relu"]}
CHOSEN: Values = {"num_experts_per_tok": [1, 3]}
ROUTED: Values = {"norm_topk_prob": [False, True], "routed_scaling_factor": [1.0, 2.5]}
ENCODERS: Values = {**BLOCKS, **MLP, **TIED, "num_attention_heads": [2, 4], "hidden_act": ["gelu", "relu", "gelu_new"]}
SCANNED: Values = {**TIED, **BLOCKS, "use_bias": [False, True], "use_conv_bias": [False, True]}

VARIED: dict[str, Values] = {
    "mixtral": {**ROTATED, **BLOCKS, **CHOSEN, **ACTIVATION, "sliding_window": [None, 7], "head_dim": [8, 16]},
    "olmoe": {**ROTATED, **BLOCKS, **CHOSEN, "norm_topk_prob": [False, True], "clip_qkv": [None, 0.5]},
    "qwen2_moe": {**ROTATED, **CHOSEN, "decoder_sparse_step": [1, 2], "norm_topk_prob": [False, True]},
    "qwen3_moe": {**ROTATED, **CHOSEN, "mlp_only_layers": [[], [0]], "attention_bias": [False, True]},
    "deepseek_v2": {**MLP, "q_lora_rank": [None, 16], "n_shared_experts": [1, 2], "routed_scaling_factor": [1.0, 2.5]},
    "deepseek_v3": {**MLP, **ROUTED, "q_lora_rank": [None, 16], "n_group": [1, 2], "first_k_dense_replace": [0, 1]},
    "glm4_moe": {**HEADS, **MLP, **ROUTED, "use_qk_norm": [False, True], "first_k_dense_replace": [0, 1]},
    "gpt_oss": {**HEADS, **CHOSEN, "sliding_window": [5, 9]},
    "granitemoe": {**ROTATED, **CHOSEN, "embedding_multiplier": [1.0, 3.0], "residual_multiplier": [1.0, 0.5]},
    "jamba": {**HEADS, **MLP, **TIED, **CHOSEN, "mamba_d_conv": [2, 4], "mamba_proj_bias": [False, True]},
    "mamba": {**SCANNED, "expand": [1, 2], "state_size": [4, 16]},
    "mamba2": {**SCANNED, "state_size": [8, 16]},
    "recurrent_gemma": {**HEADS, **MLP, "attention_window_size": [6, 16], "logits_soft_cap": [5.0, 30.0]},
    "falcon_h1": {**HEADS, **MLP, **TIED, "mamba_rms_norm": [False, True], "mamba_norm_before_gate": [False, True]},
    "lfm2": {**HEADS, "conv_bias": [False, True], "layer_types": [["conv", "full_attention"], ["conv", "conv"]]},
    "rwkv": {"num_hidden_layers": [2, 3], "attention_hidden_size": [32, 64], "rescale_every": [0, 6]},
    "bamba": {**HEADS, **MLP, **TIED, "mamba_proj_bias": [False, True], "mamba_conv_bias": [False, True]},
    "albert": {**ENCODERS, "embedding_size": [16, 32], "num_hidden_groups": [1]},
    "deberta": {**ENCODERS, "relative_attention": [False, True], "share_att_key": [False, True]},
    "mpt": {"n_layers": [1, 3], "n_heads": [2, 4], "expansion_ratio": [2, 3]},
    "opt": {**BLOCKS, **TIED, "do_layer_norm_before": [False, True], "word_embed_proj_dim": [16, 32]},
    "bloom": {"n_layer": [1, 3], "n_head": [2, 4], "apply_residual_connection_post_layernorm": [False, True]},
    "falcon": {
        "multi_query": [False, True], "parallel_attn": [False, True], "bias": [False, True], "alibi": [False, True],
        "new_decoder_architecture": [False, True], "num_kv_heads": [4],
    },
    "gptj": {"n_layer": [1, 3], "n_head": [2, 4], "rotary_dim": [2, 8], "n_inner": [None, 48]},
    "phi": {**BLOCKS, **MLP, "qk_layernorm": [False, True], "num_key_value_heads": [2, 4]},
    "nemotron": {**HEADS, **MLP, **TIED, "attention_bias": [False, True], "mlp_bias": [False, True]},
    "glm4": {**HEADS, **MLP, **TIED, "attention_bias": [False, True]},
    "cohere2": {**HEADS, **MLP, "attention_bias": [False, True], "logit_scale": [0.25, 1.0], "sliding_window": [5, 9]},
    "bert": ENCODERS,
    "roberta": ENCODERS,
    "distilbert": {"n_layers": [1, 3], "n_heads": [2, 4], "activation": ["gelu", "relu"], **TIED},
    "electra": {**ENCODERS, "embedding_size": [16, 32]},
    "xlm_roberta": ENCODERS,
    "mpnet": {**BLOCKS, **MLP},
    "modernbert": {**BLOCKS, **MLP, "local_attention": [4, 8], "norm_bias": [False, True]},
}  # fmt: skip
"""Family of `tests.tiny` -> key of its config -> values."""


def masked(family: str) -> bool:
    architecture, _ = {**CONFIGS, **MIXTURES, **RECURRENT, **SHARED, **OTHERS}[family]
    return architecture.endswith("MaskedLM")


def changes(family: str) -> st.SearchStrategy[dict[str, Any]]:
    """Values for `tiny_model_folder`."""
    drawn = st.fixed_dictionaries({key: st.sampled_from(values) for key, values in VARIED[family].items()})
    return drawn.filter(has_code)


def has_code(values: dict[str, Any]) -> bool:
    """Whether transformers itself can run a config: its new Falcon blocks are always parallel."""
    return not values.get("new_decoder_architecture") or values.get("parallel_attn", True)
