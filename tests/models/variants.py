"""Random configs: hub configs of every family that our Transformer computes, and traits in any combination."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from optlab.models.architectures import ARCHITECTURES, FULL, SLIDING
from optlab.models.config import ACTIVATIONS, Config

VOCABULARY = 61
WINDOWED = ("mistral", "qwen2", "qwen3", "gemma2", "gemma3_text", "phi3", "smollm3")
YARN: list[dict[str, Any]] = [
    {}, {"attention_factor": 0.7}, {"beta_fast": 8, "beta_slow": 2}, {"mscale": 0.8, "mscale_all_dim": 0.5},
]  # fmt: skip
"""What YaRN may say besides."""
IDS = {"bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0}


@st.composite
def hub_configs(draw: st.DrawFn, family: str | None = None) -> dict[str, Any]:
    """A config.json of a tiny model, as its author might have written it."""
    family = family or draw(st.sampled_from(sorted(ARCHITECTURES)))
    if family == "gpt2":
        return _gpt2(draw)
    architecture = ARCHITECTURES[family]
    kv_heads = 1 if family == "gpt_neox" else draw(st.integers(1, 3))
    heads = kv_heads * draw(st.integers(1, 3))
    head_dim = 2 * draw(st.integers(2, 8)) if architecture.partial is None else 8 * draw(st.integers(1, 2))
    hub: dict[str, Any] = {
        "model_type": family, **IDS, "vocab_size": VOCABULARY, "num_attention_heads": heads,
        "hidden_size": heads * (2 * draw(st.integers(3, 6)) if architecture.reads_head_dim else head_dim),
        "num_hidden_layers": draw(st.integers(1, 4)), "intermediate_size": 4 * draw(st.integers(2, 9)),
        "max_position_embeddings": 64, "tie_word_embeddings": draw(st.booleans()),
    }  # fmt: skip
    if family != "gpt_neox":
        hub["num_key_value_heads"] = kv_heads
    if architecture.reads_head_dim:
        hub["head_dim"] = head_dim
    said = architecture.fields
    for key in ("attention_bias", "mlp_bias", "use_qkv_bias", "use_parallel_residual"):
        if key in said:
            hub[key] = draw(st.booleans())
    for key in ("hidden_act", "hidden_activation"):
        if said.get(key):
            hub[key] = draw(st.sampled_from([name for name in ACTIVATIONS if name != "gelu_tanh"]))
    for key in ("embedding_multiplier", "logits_scaling", "residual_multiplier", "attention_multiplier", "logit_scale"):
        if key in said:
            hub[key] = draw(st.sampled_from([0.25, 0.5, 1.0, 2.0]))
    for key in ("final_logit_softcapping", "attn_logit_softcapping"):
        if key in said:
            hub[key] = draw(st.sampled_from([None, 1.5, 20.0]))
    if "query_pre_attn_scalar" in said:
        hub["query_pre_attn_scalar"] = draw(st.sampled_from([4, head_dim, 40]))
    if family in WINDOWED:
        hub |= _windows(draw, family, hub["num_hidden_layers"])
    if family == "smollm3":
        hub["no_rope_layer_interval"] = draw(st.integers(1, 3))
    return hub | _rope(draw, family)


def _gpt2(draw: st.DrawFn) -> dict[str, Any]:
    heads = draw(st.integers(1, 4))
    return {
        "model_type": "gpt2", **IDS, "vocab_size": VOCABULARY, "n_head": heads,
        "n_embd": heads * draw(st.integers(3, 9)), "n_layer": draw(st.integers(1, 3)), "n_positions": 64,
        "n_inner": draw(st.sampled_from([None, 20])), "tie_word_embeddings": draw(st.booleans()),
        "activation_function": draw(st.sampled_from(["gelu_new", "gelu", "relu", "silu"])),
    }  # fmt: skip


def _windows(draw: st.DrawFn, family: str, blocks: int) -> dict[str, Any]:
    found: dict[str, Any] = {"sliding_window": draw(st.integers(1, 12))}
    if family in ("mistral", "phi3"):
        return draw(st.sampled_from([found, {"sliding_window": None}]))
    if family in ("qwen2", "qwen3", "smollm3"):
        found["use_sliding_window"] = draw(st.booleans())
        if not found["use_sliding_window"]:
            return found
    if family in ("qwen2", "qwen3"):
        found["max_window_layers"] = draw(st.integers(0, blocks))
    if family == "gemma3_text" and draw(st.booleans()):
        found["sliding_window_pattern"] = draw(st.integers(1, 3))
    elif draw(st.booleans()):
        found["layer_types"] = draw(st.lists(st.sampled_from([FULL, SLIDING]), min_size=blocks, max_size=blocks))
    return found


def _rope(draw: st.DrawFn, family: str) -> dict[str, Any]:
    theta = draw(st.sampled_from([100.0, 10_000.0, 500_000]))
    scaled = {
        "linear": {"factor": 4.0},
        "llama3": {
            "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16,
        },
        "yarn": {"factor": 4.0, "original_max_position_embeddings": 16, **draw(st.sampled_from(YARN))},
    }  # fmt: skip
    kind = draw(st.sampled_from(["default"] if family == "phi3" else ["default", *scaled]))
    rope: dict[str, Any] = {"rope_type": kind, **scaled.get(kind, {})}
    if family == "gemma3_text":
        if draw(st.booleans()):
            return {"rope_theta": theta, "rope_local_base_freq": 50.0, "rope_scaling": rope}
        return {"rope_parameters": {FULL: {**rope, "rope_theta": theta}, SLIDING: {"rope_type": "default"}}}
    share = draw(st.sampled_from([0.25, 0.5, 1.0])) if ARCHITECTURES[family].partial is not None else None
    if family == "gpt_neox":
        return {"rotary_pct": share, "rotary_emb_base": theta, "rope_scaling": rope}
    partial = {} if share is None else {"partial_rotary_factor": share}
    if draw(st.booleans()):
        return {"rope_parameters": {**rope, "rope_theta": theta, **partial}}
    if kind != "default":
        rope["type"] = rope.pop("rope_type")
    return {"rope_theta": theta, "rope_scaling": None if kind == "default" else rope, **partial}


@st.composite
def own_configs(draw: st.DrawFn) -> Config:
    """Traits in any combination, those included that no family has; of sizes that the C++ loop reads."""
    head_dim = draw(st.sampled_from([16, 24, 32]))
    fused = draw(st.sampled_from(["", "rows", "heads"]))
    kv_heads = draw(st.sampled_from([2, 4]))
    heads = kv_heads * (1 if fused == "heads" else draw(st.integers(1, 2)))
    if heads * head_dim % 32:
        head_dim = 32
    blocks, learned = 2, draw(st.booleans())
    norm = draw(st.sampled_from(["rms", "layer"]))
    windows = draw(st.sampled_from([(), (5, None), (None, 9), (1, 33)]))
    parallel = draw(st.booleans())
    input_norms = draw(st.booleans())
    interleaved = fused == "" and draw(st.booleans())
    # The order of features in which a norm has its weights is another one where rows are reordered when packed.
    qk_norm = "none" if interleaved or fused == "heads" else draw(st.sampled_from(["none", "head", "width"]))
    return Config(
        VOCABULARY, draw(st.sampled_from([32, 64])), blocks, heads, kv_heads, head_dim,
        draw(st.sampled_from([32, 96])), 64,
        rope_theta=100.0,
        qkv_bias=draw(st.booleans()), o_bias=draw(st.booleans()), mlp_bias=draw(st.booleans()),
        tied=draw(st.booleans()), activation=draw(st.sampled_from(sorted(set(ACTIVATIONS.values())))),
        norm_offset=draw(st.sampled_from([0.0, 1.0])) if norm == "rms" else 0.0,
        embedding_scale=draw(st.sampled_from([1.0, 4.0])),
        rotary_dim=draw(st.sampled_from([None, 0, 6, 8])), interleaved=interleaved,
        learned_positions=learned, local_rope_theta=draw(st.sampled_from([None, 20.0])), windows=windows,
        rotated=draw(st.sampled_from([(), (True, False)])), norm=norm, norm_bias=draw(st.booleans()),
        input_norms=input_norms, output_norms=draw(st.booleans()) or not input_norms,
        qk_norm=qk_norm, parallel=parallel,
        shared_norm=parallel and draw(st.booleans()), fused=fused,
        gated=draw(st.booleans()), attention_scale=draw(st.sampled_from([None, 0.1])),
        attention_cap=draw(st.sampled_from([None, 2.0])), residual_scale=draw(st.sampled_from([1.0, 0.5])),
        logit_scale=draw(st.sampled_from([1.0, 0.3])), logit_cap=draw(st.sampled_from([None, 3.0])),
    )  # fmt: skip
