"""Tiny random models of every family, as folders in hub layout, for the tests of all rooms.

`tiny_model_folder("gpt2", folder)` writes config.json, model.safetensors and a tokenizer.json trained here. Weights are
drawn wide enough that a wrong layer shows in the logits; norms and biases are random too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

VOCABULARY = 160
TEXT = (
    "The quick brown fox jumps over the lazy dog. It was the best of times, it was the worst of times. "
    "To be, or not to be: that is the question. 12 apples and 345 pears cost 6 coins; the dog ate them all."
)
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 64, "max_position_embeddings": 64,
}  # fmt: skip
ENCODER: dict[str, Any] = {**SIZES, "type_vocab_size": 2, "pad_token_id": 0}
CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaForCausalLM", {**SIZES, "num_key_value_heads": 2}),
    "mistral": ("MistralForCausalLM", {**SIZES, "num_key_value_heads": 2, "sliding_window": None}),
    "qwen2": ("Qwen2ForCausalLM", {**SIZES, "num_key_value_heads": 2, "tie_word_embeddings": True}),
    "gemma": ("GemmaForCausalLM", {**SIZES, "num_key_value_heads": 1, "head_dim": 16}),
    "qwen3": ("Qwen3ForCausalLM", {**SIZES, "num_key_value_heads": 2, "head_dim": 16, "tie_word_embeddings": True}),
    "gemma2": (
        "Gemma2ForCausalLM",
        {
            **SIZES,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "query_pre_attn_scalar": 24,
            "sliding_window": 8,
            "attn_logit_softcapping": 2.0,
            "final_logit_softcapping": 5.0,
        },
    ),
    "gemma3": (
        "Gemma3ForCausalLM",
        {
            **SIZES,
            "num_key_value_heads": 1,
            "head_dim": 16,
            "query_pre_attn_scalar": 24,
            "sliding_window": 8,
            "sliding_window_pattern": 2,
        },
    ),
    "phi3": (
        "Phi3ForCausalLM",
        {**SIZES, "num_key_value_heads": 2, "sliding_window": 24, "partial_rotary_factor": 0.5, "pad_token_id": 0},
    ),
    "olmo2": ("Olmo2ForCausalLM", {**SIZES, "num_key_value_heads": 2}),
    "smollm3": (
        "SmolLM3ForCausalLM",
        {**SIZES, "num_key_value_heads": 2, "no_rope_layer_interval": 2, "pad_token_id": 0},
    ),
    "gpt2": ("GPT2LMHeadModel", {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}),
    "opt": ("OPTForCausalLM", {**SIZES, "ffn_dim": 64, "word_embed_proj_dim": 32}),
    "neox": ("GPTNeoXForCausalLM", SIZES),
    "bert": ("BertForMaskedLM", ENCODER),
    "roberta": ("RobertaForMaskedLM", ENCODER),
    "distilbert": (
        "DistilBertForMaskedLM",
        {"vocab_size": VOCABULARY, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "pad_token_id": 0},
    ),
}
GROUPED: dict[str, Any] = {**SIZES, "num_key_value_heads": 2}
LATENT: dict[str, Any] = {
    **SIZES, "kv_lora_rank": 16, "q_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8,
    "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "n_shared_experts": 1,
    "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1,
}  # fmt: skip
MIXTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "mixtral": ("MixtralForCausalLM", {**GROUPED, "num_local_experts": 4, "sliding_window": None}),
    "olmoe": ("OlmoeForCausalLM", {**GROUPED, "num_experts": 4, "num_experts_per_tok": 2}),
    "qwen2_moe": (
        "Qwen2MoeForCausalLM",
        {**GROUPED, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
         "shared_expert_intermediate_size": 64},
    ),
    "qwen3_moe": (
        "Qwen3MoeForCausalLM",
        {**GROUPED, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "head_dim": 16},
    ),
    "deepseek_v2": ("DeepseekV2ForCausalLM", LATENT),
    "deepseek_v3": ("DeepseekV3ForCausalLM", {**LATENT, "n_group": 2}),
    "glm4_moe": (
        "Glm4MoeForCausalLM",
        {**GROUPED, "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "n_shared_experts": 1,
         "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1, "head_dim": 16},
    ),
    "gpt_oss": (
        "GptOssForCausalLM", {**GROUPED, "num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 16}
    ),
    "granitemoe": ("GraniteMoeForCausalLM", {**GROUPED, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "jamba": (
        "JambaForCausalLM",
        {**GROUPED, "num_experts": 4, "num_experts_per_tok": 2, "attn_layer_period": 2, "attn_layer_offset": 1,
         "expert_layer_period": 2, "expert_layer_offset": 1, "use_mamba_kernels": False, "mamba_d_state": 8},
    ),
}  # fmt: skip
"""Mixtures of experts."""
RECURRENT: dict[str, tuple[str, dict[str, Any]]] = {
    "mamba": ("MambaForCausalLM", {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2}),
    "mamba2": (
        "Mamba2ForCausalLM",
        {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 16, "num_heads": 4,
         "head_dim": 16, "n_groups": 1, "expand": 2, "pad_token_id": 0},
    ),
    "recurrent_gemma": (
        "RecurrentGemmaForCausalLM",
        {**GROUPED, "num_hidden_layers": 3, "attention_window_size": 16, "pad_token_id": 0},
    ),
    "falcon_h1": (
        "FalconH1ForCausalLM",
        {**GROUPED, "mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_n_groups": 1, "mamba_d_state": 16,
         "mamba_chunk_size": 16, "head_dim": 8},
    ),
    "lfm2": ("Lfm2ForCausalLM", {**GROUPED, "layer_types": ["conv", "full_attention"]}),
    "rwkv": ("RwkvForCausalLM", {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2}),
    "bamba": (
        "BambaForCausalLM",
        {**GROUPED, "attn_layer_indices": [1], "mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 16,
         "mamba_n_groups": 1},
    ),
}  # fmt: skip
"""Models that carry a state from token to token, in some blocks or in all."""
SHARED: dict[str, tuple[str, dict[str, Any]]] = {
    "albert": ("AlbertForMaskedLM", {**ENCODER, "embedding_size": 16}),
    "deberta": (
        "DebertaV2ForMaskedLM",
        {**ENCODER, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 16},
    ),
    "mpt": (
        "MptForCausalLM",
        {"vocab_size": VOCABULARY, "d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": 64, "expansion_ratio": 2},
    ),
}  # fmt: skip
"""Models with blocks that are called several times, that answer with several values, or with a config of their own."""
OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "bloom": ("BloomForCausalLM", {"vocab_size": VOCABULARY, "hidden_size": 32, "n_layer": 2, "n_head": 4}),
    "falcon": (
        "FalconForCausalLM",
        {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4},
    ),
    "gptj": (
        "GPTJForCausalLM",
        {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "rotary_dim": 4},
    ),
    "phi": ("PhiForCausalLM", SIZES),
    "nemotron": ("NemotronForCausalLM", GROUPED),
    "glm4": ("Glm4ForCausalLM", {**GROUPED, "head_dim": 8, "pad_token_id": 0}),
    "cohere2": ("Cohere2ForCausalLM", {**GROUPED, "sliding_window": 8, "pad_token_id": 0}),
    "electra": ("ElectraForMaskedLM", {**ENCODER, "embedding_size": 16}),
    "xlm_roberta": ("XLMRobertaForMaskedLM", ENCODER),
    "mpnet": ("MPNetForMaskedLM", {**SIZES, "pad_token_id": 0}),
    "modernbert": (
        "ModernBertForMaskedLM",
        {**SIZES, "local_attention": 8, "global_attn_every_n_layers": 2, "pad_token_id": 0, "cls_token_id": 1,
         "sep_token_id": 1},
    ),
}  # fmt: skip
"""Models that transformers computes, beside those above."""
FAMILIES = tuple(CONFIGS)
OWN = (
    "llama", "mistral", "qwen2", "gemma", "qwen3", "gemma2", "gemma3", "phi3", "olmo2", "smollm3", "gpt2", "neox",
)  # fmt: skip
"""Those that our own Transformer computes."""
CAUSAL = tuple(family for family, (architecture, _) in CONFIGS.items() if not architecture.endswith("MaskedLM"))
MASKED = tuple(family for family in FAMILIES if family not in CAUSAL)


def tiny_model_folder(family: str, folder: Path, dtype: str = "float32", seed: int = 0, **changes: Any) -> Path:
    """Write a tiny random model of `family` into `folder` and return it.

    changes: values of its config class that replace those in the tables above. dtype: of the stored weights.
    """
    import torch
    import transformers

    architecture, values = {**CONFIGS, **MIXTURES, **RECURRENT, **SHARED, **OTHERS}[family]
    kind = getattr(transformers, architecture)
    torch.manual_seed(seed)
    model = kind(kind.config_class(**{**values, "bos_token_id": 1, "eos_token_id": 1, **changes})).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn_like(parameter)
            if parameter.ndim > 1:
                parameter.copy_(0.2 * noise)
            else:
                parameter.add_(0.2 * noise if "norm" in name.lower() or "ln_" in name else 0.1 * noise)
        for name, buffer in model.named_buffers():
            if name.endswith("correction_bias"):
                buffer.copy_(0.1 * torch.randn_like(buffer))
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    write_tokenizer(folder)
    return folder


def write_tokenizer(folder: Path, vocabulary: int = VOCABULARY) -> None:
    """A byte-level BPE tokenizer of at most `vocabulary` tokens, trained on TEXT, as tokenizer.json."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["[PAD]", "<|end|>", "[MASK]", "[UNK]"]
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator([TEXT], trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast", "pad_token": special[0], "eos_token": special[1],
        "mask_token": special[2], "unk_token": special[3],
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
