"""The families that our own Transformer computes: what their code does, and which fields of config.json it reads.

A hub `config.json` says sizes; habits (where norms sit, what is added to what) are in the code of each architecture.
Here they are traits of one Config. Absent fields mean what they mean in transformers, which a test compares. A field
that is not listed here may mean anything, so a model with one is left to transformers' own class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optlab.models.hub_config import HubConfig

INERT = frozenset(
    (
        "_attn_implementation", "_attn_implementation_autoset", "_name_or_path", "_num_labels", "architectures",
        "attention_dropout", "attn_implementation", "attn_pdrop", "auto_map", "bos_token_id", "cache_implementation",
        "chunk_size_feed_forward", "classifier_dropout", "cross_attention_hidden_size", "decoder_start_token_id",
        "dtype", "embd_pdrop", "eos_token_id", "exponential_decay_length_penalty", "finetuning_task",
        "gradient_checkpointing", "hidden_dropout", "id2label", "initializer_range", "is_decoder",
        "is_encoder_decoder", "is_llama_config", "keys_to_ignore_at_inference", "label2id", "max_length", "model_type",
        "output_attentions", "output_hidden_states", "pad_token_id", "prefix", "pretraining_tp", "problem_type",
        "quantization_config", "resid_pdrop", "return_dict", "rope_interleaved", "sep_token_id", "summary_activation",
        "summary_first_dropout", "summary_proj_to_labels", "summary_type", "summary_use_proj", "task_specific_params",
        "tie_encoder_decoder", "tokenizer_class", "torch_dtype", "torchscript", "transformers.js_config",
        "transformers_version", "unk_token_id", "unsloth_fixed", "unsloth_version", "use_bfloat16", "use_cache",
    )
)  # fmt: skip
"""Fields that change nothing in what a model computes when it is evaluated."""

FULL, SLIDING = "full_attention", "sliding_attention"
"""Kinds of attention, by the words of layer_types."""
LLAMA_SIZES = {
    "vocabulary": "vocab_size", "width": "hidden_size", "blocks": "num_hidden_layers", "heads": "num_attention_heads",
    "mlp_width": "intermediate_size", "context_length": "max_position_embeddings",
}  # fmt: skip
LLAMA_NAMES = {"attention_norm": "input_layernorm", "mlp_norm": "post_attention_layernorm"}
SANDWICH_NAMES = {
    "attention_norm": "input_layernorm", "attention_output_norm": "post_attention_layernorm",
    "mlp_norm": "pre_feedforward_layernorm", "mlp_output_norm": "post_feedforward_layernorm",
}  # fmt: skip
ROPE = {"rope_parameters": None, "rope_scaling": None, "rope_theta": None}
RMS = {"rms_norm_eps": 1e-6}
WINDOWED_LATE: HubConfig = {
    "use_sliding_window": False, "sliding_window": 4096, "max_window_layers": 28, "layer_types": None,
}  # fmt: skip
GEMMA_TRAITS = {"norm_offset": 1.0, "embedding_scale": "width"}


@dataclass(frozen=True)
class Architecture:
    """One `model_type`.

    fields: what config.json may say beside sizes -> what its absence means. fixed: fields that are understood with this
    value only, which is also what their absence means. traits: what the code does, as fields of Config. sizes: field of
    Config -> its name in config.json. names: our name of a part (`transformer.py`) -> its name in checkpoints.
    theta: base of the rotary positions where none is stated. partial: share of a head that is rotated, likewise; None
    where the code knows only whole heads. reads_head_dim: whether heads may be of another size than width / heads.
    """

    fields: Mapping[str, Any]
    traits: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    sizes: Mapping[str, str] = field(default_factory=lambda: LLAMA_SIZES)
    names: Mapping[str, str] = field(default_factory=lambda: LLAMA_NAMES)
    theta: float = 10_000.0
    partial: float | None = None
    reads_head_dim: bool = True


def _fields(*groups: Mapping[str, Any], **more: Any) -> HubConfig:
    found: HubConfig = {
        "num_key_value_heads": None, "head_dim": None, "tie_word_embeddings": False, "hidden_act": "silu", **ROPE
    }  # fmt: skip
    for group in groups:
        found |= group
    return found | more


ARCHITECTURES: dict[str, Architecture] = {
    "llama": Architecture(_fields(RMS, attention_bias=False, mlp_bias=False)),
    "mistral": Architecture(_fields(RMS, num_key_value_heads=8, sliding_window=4096)),
    "qwen2": Architecture(_fields(RMS, WINDOWED_LATE, num_key_value_heads=32), {"qkv_bias": True}),
    "qwen3": Architecture(
        _fields(RMS, WINDOWED_LATE, num_key_value_heads=32, head_dim=128, attention_bias=False), {"qk_norm": "head"}
    ),
    "gemma": Architecture(
        _fields(
            RMS, num_key_value_heads=16, head_dim=256, hidden_act="gelu_pytorch_tanh", attention_bias=False,
            tie_word_embeddings=True, hidden_activation=None,
        ),
        GEMMA_TRAITS,
        {"use_bidirectional_attention": None},
    ),
    "gemma2": Architecture(
        _fields(
            RMS, num_key_value_heads=4, head_dim=256, hidden_activation="gelu_pytorch_tanh", attention_bias=False,
            tie_word_embeddings=True, query_pre_attn_scalar=256, sliding_window=4096, layer_types=None,
            final_logit_softcapping=30.0, attn_logit_softcapping=50.0, hidden_act=None,
        ),
        {**GEMMA_TRAITS, "output_norms": True, "window_pattern": 2},
        {"use_bidirectional_attention": None},
        names=SANDWICH_NAMES,
    ),
    "gemma3_text": Architecture(
        _fields(
            RMS, num_key_value_heads=4, head_dim=256, hidden_activation="gelu_pytorch_tanh", attention_bias=False,
            tie_word_embeddings=True, query_pre_attn_scalar=256, sliding_window=4096, layer_types=None,
            final_logit_softcapping=None, sliding_window_pattern=6, _sliding_window_pattern=None,
            rope_local_base_freq=10_000.0, hidden_act=None,
        ),
        {**GEMMA_TRAITS, "output_norms": True, "qk_norm": "head", "local_rope": True},
        {"use_bidirectional_attention": False, "attn_logit_softcapping": None},
        names=SANDWICH_NAMES,
        theta=1_000_000.0,
    ),
    "phi3": Architecture(
        _fields(rms_norm_eps=1e-5, sliding_window=None, original_max_position_embeddings=4096,
                partial_rotary_factor=None),
        {"fused": "rows"},
        partial=1.0,
    ),
    "olmo2": Architecture(
        _fields(rms_norm_eps=1e-5, attention_bias=False),
        {"input_norms": False, "output_norms": True, "qk_norm": "width"},
        names={
            "attention_output_norm": "post_attention_layernorm", "mlp_output_norm": "post_feedforward_layernorm",
        },
    ),
    "smollm3": Architecture(
        _fields(
            RMS, num_key_value_heads=4, attention_bias=False, mlp_bias=False, tie_word_embeddings=True,
            use_sliding_window=False, sliding_window=None, layer_types=None, no_rope_layers=None,
            no_rope_layer_interval=4,
        ),
        theta=2_000_000.0,
    ),
    "granite": Architecture(
        _fields(
            RMS, attention_bias=False, mlp_bias=False, embedding_multiplier=1.0, logits_scaling=1.0,
            residual_multiplier=1.0, attention_multiplier=1.0,
        ),
    ),
    "cohere": Architecture(
        _fields(
            layer_norm_eps=1e-5, attention_bias=False, logit_scale=0.0625, tie_word_embeddings=True,
        ),
        {"norm": "layer", "norm_bias": False, "parallel": True, "shared_norm": True, "interleaved": True},
        {"use_qk_norm": False},
        theta=500_000.0,
    ),
    "stablelm": Architecture(
        _fields(
            layer_norm_eps=1e-5, num_key_value_heads=32, use_qkv_bias=False, use_parallel_residual=False,
            partial_rotary_factor=0.25,
        ),
        {"norm": "layer"},
        {"qk_layernorm": False},
        partial=0.25,
        reads_head_dim=False,
    ),
    "gpt_neox": Architecture(
        {
            "hidden_act": "gelu", "layer_norm_eps": 1e-5, "tie_word_embeddings": False, "use_parallel_residual": True,
            "attention_bias": True, "rotary_pct": 0.25, "rotary_emb_base": 10_000.0, "rope_parameters": None,
            "rope_scaling": None, "rope_theta": None, "partial_rotary_factor": None,
        },
        {"norm": "layer", "mlp_bias": True, "gated": False, "fused": "heads"},
        names={
            **LLAMA_NAMES, "model": "gpt_neox", "embed_tokens": "embed_in", "norm": "final_layer_norm",
            "self_attn": "attention", "qkv_proj": "query_key_value", "o_proj": "dense", "up_proj": "dense_h_to_4h",
            "down_proj": "dense_4h_to_h",
        },
        partial=0.25,
        reads_head_dim=False,
    ),
    "gpt2": Architecture(
        {"activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "tie_word_embeddings": True, "n_inner": None,
         "n_ctx": None},
        {
            "norm": "layer", "qkv_bias": True, "o_bias": True, "mlp_bias": True, "gated": False, "fused": "rows",
            "transposed": True, "rotary_dim": 0, "learned_positions": True,
        },
        {"scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False, "reorder_and_upcast_attn": False,
         "add_cross_attention": False},
        sizes={
            "vocabulary": "vocab_size", "width": "n_embd", "blocks": "n_layer", "heads": "n_head",
            "context_length": "n_positions",
        },
        names={
            "model": "transformer", "embed_tokens": "wte", "embed_positions": "wpe", "layers": "h", "norm": "ln_f",
            "attention_norm": "ln_1", "mlp_norm": "ln_2", "self_attn": "attn", "qkv_proj": "c_attn",
            "o_proj": "c_proj", "up_proj": "c_fc", "down_proj": "c_proj",
        },
        reads_head_dim=False,
    ),
}  # fmt: skip
