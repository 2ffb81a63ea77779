"""Tiny models of every architecture as GGUF files, converted as llama.cpp's convert_hf_to_gguf.py does it.

Names come from gguf-py's own table and what is done to weights and metadata is said here again, from llama.cpp's side,
so that nothing of optlab.models.gguf is both the answer and the question.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
import transformers

from tests.tiny import VOCABULARY, write_tokenizer

SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 64, "max_position_embeddings": 64, "num_key_value_heads": 2, "bos_token_id": 1,
    "eos_token_id": 1, "pad_token_id": 0,
}  # fmt: skip
GPT: dict[str, Any] = {
    "vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "bos_token_id": 1,
    "eos_token_id": 1,
}  # fmt: skip
FALCON: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "max_position_embeddings": 64, "alibi": False, "bias": False, "parallel_attn": True, "bos_token_id": 1,
    "eos_token_id": 1,
}  # fmt: skip
EXPERTS = {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
Metadata = Callable[[gguf.GGUFWriter, Any], None]
Arrange = Callable[[str, np.ndarray, Any], np.ndarray]


def permuted(name: str, W: np.ndarray, config: Any) -> np.ndarray:
    """Rows (half, pair) of each head as (pair, half): the order in which llama.cpp rotates neighbours."""
    if ".attn_q." in name or ".attn_k." in name:
        heads = config.num_attention_heads if ".attn_q." in name else config.num_key_value_heads
        return W.reshape(heads, 2, W.shape[0] // heads // 2, *W.shape[1:]).swapaxes(1, 2).reshape(W.shape)
    return W


def norm_plus_one(name: str, W: np.ndarray, _: Any) -> np.ndarray:
    return W + 1 if name.endswith("norm.weight") else W


def conv1d(name: str, W: np.ndarray, _: Any) -> np.ndarray:
    matrices = ("attn_qkv.weight", "attn_output.weight", "ffn_up.weight", "ffn_down.weight")
    return W.T if name.endswith(matrices) else W


def qkv_apart(name: str, W: np.ndarray, config: Any) -> np.ndarray:
    """[heads, (q, k, v), head_dim] as all q, all k, all v."""
    if ".attn_qkv." not in name:
        return W
    heads = config.num_attention_heads
    return W.reshape(heads, 3, W.shape[0] // heads // 3, *W.shape[1:]).swapaxes(0, 1).reshape(W.shape)


def falcon(name: str, W: np.ndarray, config: Any) -> np.ndarray:
    """[groups, (queries of the group, one k, one v), head_dim] as all q, all k, all v: `modify_tensors` of Falcon."""
    if ".attn_qkv." not in name:
        return W
    groups = config.num_kv_heads if config.new_decoder_architecture else 1
    heads, width = config.num_attention_heads, config.hidden_size
    qkv = W.reshape(groups, heads // groups + 2, width // heads, width)
    return np.concatenate([part.reshape(-1, width) for part in (qkv[:, :-2], qkv[:, [-2]], qkv[:, [-1]])])


def mamba(name: str, W: np.ndarray, _: Any) -> np.ndarray:
    return -np.exp(W) if name.endswith("ssm_a") else W.squeeze(1) if name.endswith("ssm_conv1d.weight") else W


def flat_gate(name: str, W: np.ndarray, _: Any) -> np.ndarray:
    return W.reshape(-1) if "ffn_gate_inp_shexp" in name else W


def as_it_is(_: str, W: np.ndarray, __: Any) -> np.ndarray:
    return W


def nothing(_: gguf.GGUFWriter, __: Any) -> None:
    return


@dataclass(frozen=True)
class Case:
    """How a model of one architecture is made and written. eps: "rms", "layer", or "fixed" (without a name in
    the hub)."""

    hub_class: str
    arch: gguf.MODEL_ARCH
    config: dict[str, Any] = field(default_factory=dict)
    arrange: Arrange = as_it_is
    metadata: Metadata = nothing
    eps: str = "rms"
    rope: bool = True
    sizes: dict[str, Any] = field(default_factory=lambda: SIZES)
    noise: float = 0.2


def _gemma2(writer: gguf.GGUFWriter, config: Any) -> None:
    writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
    writer.add_final_logit_softcapping(config.final_logit_softcapping)
    writer.add_sliding_window(config.sliding_window)


def _gemma3(writer: gguf.GGUFWriter, config: Any) -> None:
    writer.add_sliding_window(config.sliding_window)
    full = config.rope_parameters["full_attention"]
    if full["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(full["factor"])


def _granite(writer: gguf.GGUFWriter, config: Any) -> None:
    writer.add_attention_scale(config.attention_multiplier)
    writer.add_embedding_scale(config.embedding_multiplier)
    writer.add_residual_scale(config.residual_multiplier)
    writer.add_logit_scale(config.logits_scaling)


def _experts(writer: gguf.GGUFWriter, config: Any) -> None:
    writer.add_expert_count(getattr(config, "num_experts", None) or config.num_local_experts)
    writer.add_expert_used_count(config.num_experts_per_tok)
    if width := getattr(config, "moe_intermediate_size", None):
        writer.add_expert_feed_forward_length(width)
    if width := getattr(config, "shared_expert_intermediate_size", None):
        writer.add_expert_shared_feed_forward_length(width)


def _parallel(writer: gguf.GGUFWriter, config: Any) -> None:
    writer.add_parallel_residual(config.use_parallel_residual)


def _longrope(writer: gguf.GGUFWriter, config: Any) -> None:
    rope = config.rope_parameters
    if rope["rope_type"] == "longrope":
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        scale = config.max_position_embeddings / rope["original_max_position_embeddings"]
        writer.add_rope_scaling_attn_factors(
            float(np.sqrt(1 + np.log(scale) / np.log(rope["original_max_position_embeddings"])))
        )
        for length in ("long", "short"):
            writer.add_tensor(f"rope_factors_{length}.weight", np.array(rope[f"{length}_factor"], dtype=np.float32))
    if config.sliding_window:
        writer.add_sliding_window(config.sliding_window)


def _mamba(writer: gguf.GGUFWriter, config: Any) -> None:
    writer.add_ssm_conv_kernel(config.conv_kernel)
    writer.add_ssm_inner_size(config.intermediate_size)
    writer.add_ssm_state_size(config.state_size)
    writer.add_ssm_time_step_rank(config.time_step_rank)
    writer.add_ssm_dt_b_c_rms(False)


def _falcon(writer: gguf.GGUFWriter, _: Any) -> None:
    writer.add_tensor_data_layout("jploski")


def _gpt_oss(writer: gguf.GGUFWriter, config: Any) -> None:
    _experts(writer, config)
    writer.add_expert_feed_forward_length(config.intermediate_size)
    writer.add_sliding_window(config.sliding_window)
    writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    writer.add_rope_scaling_factor(config.rope_parameters["factor"])
    writer.add_rope_scaling_orig_ctx_len(config.rope_parameters["original_max_position_embeddings"])


ROPE_LONG = {
    "rope_type": "longrope", "rope_theta": 10_000.0, "long_factor": [1.0, 1.5, 2.0], "short_factor": [1.0, 1.1, 1.2],
    "original_max_position_embeddings": 32, "partial_rotary_factor": 0.75,
}  # fmt: skip
GEMMA3_ROPE = {
    "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
    "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
}
A = gguf.MODEL_ARCH
CASES: dict[str, Case] = {
    "llama": Case("LlamaForCausalLM", A.LLAMA, arrange=permuted),
    "llama-biases": Case(
        "LlamaForCausalLM", A.LLAMA, {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True}, permuted
    ),
    "llama-wide-heads": Case("LlamaForCausalLM", A.LLAMA, {"head_dim": 16}, permuted),
    "mistral": Case("MistralForCausalLM", A.LLAMA, {"sliding_window": None}, permuted),
    "mixtral": Case("MixtralForCausalLM", A.LLAMA, {**EXPERTS, "sliding_window": None}, permuted, _experts),
    "gpt-oss": Case(
        "GptOssForCausalLM", A.GPT_OSS,
        {"head_dim": 16, "num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 8,
         "rope_parameters": {"rope_type": "yarn", "rope_theta": 150_000.0, "factor": 4.0, "truncate": False,
                             "original_max_position_embeddings": 16}},
        metadata=_gpt_oss,
    ),
    "qwen2": Case("Qwen2ForCausalLM", A.QWEN2, {"tie_word_embeddings": True}),
    "qwen3": Case("Qwen3ForCausalLM", A.QWEN3, {"head_dim": 16}),
    "qwen2moe": Case(
        "Qwen2MoeForCausalLM", A.QWEN2MOE, {**EXPERTS, "shared_expert_intermediate_size": 48}, flat_gate, _experts
    ),
    "qwen3moe": Case("Qwen3MoeForCausalLM", A.QWEN3MOE, {**EXPERTS, "head_dim": 16, "norm_topk_prob": True},
                     metadata=_experts),
    "olmoe": Case("OlmoeForCausalLM", A.OLMOE, EXPERTS, metadata=_experts),
    "gemma": Case("GemmaForCausalLM", A.GEMMA, {"head_dim": 16, "num_key_value_heads": 1}, norm_plus_one),
    "gemma2": Case(
        "Gemma2ForCausalLM", A.GEMMA2,
        {"head_dim": 16, "sliding_window": 8, "query_pre_attn_scalar": 16, "attn_logit_softcapping": 5.0,
         "final_logit_softcapping": 3.0},
        norm_plus_one, _gemma2,
    ),
    "gemma3": Case(
        "Gemma3ForCausalLM", A.GEMMA3,
        {"num_hidden_layers": 7, "head_dim": 16, "sliding_window": 8, "query_pre_attn_scalar": 16,
         "rope_parameters": GEMMA3_ROPE},
        norm_plus_one, _gemma3,
    ),
    "phi2": Case(
        "PhiForCausalLM", A.PHI2, {"num_key_value_heads": 4, "partial_rotary_factor": 0.5}, eps="layer"
    ),
    "phi3": Case("Phi3ForCausalLM", A.PHI3, {"sliding_window": 8}, metadata=_longrope),
    "phi3-longrope": Case(
        "Phi3ForCausalLM", A.PHI3, {"rope_parameters": ROPE_LONG, "original_max_position_embeddings": 32},
        metadata=_longrope,
    ),
    "olmo": Case("OlmoForCausalLM", A.OLMO, {}, permuted, eps="fixed"),
    "olmo2": Case("Olmo2ForCausalLM", A.OLMO2),
    "smollm3": Case("SmolLM3ForCausalLM", A.SMOLLM3, {"num_hidden_layers": 4}, permuted),
    "granite": Case(
        "GraniteForCausalLM", A.GRANITE,
        {"embedding_multiplier": 3.0, "residual_multiplier": 0.5, "attention_multiplier": 0.2, "logits_scaling": 2.0},
        permuted, _granite,
    ),
    "gpt2": Case("GPT2LMHeadModel", A.GPT2, {}, conv1d, eps="layer", rope=False, sizes=GPT),
    "gptneox": Case("GPTNeoXForCausalLM", A.GPTNEOX, {"rotary_pct": 0.25, "use_parallel_residual": False,
                    "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": 0.5}},
                    qkv_apart, _parallel, eps="layer"),
    "gptneox-parallel": Case("GPTNeoXForCausalLM", A.GPTNEOX, {}, qkv_apart, _parallel, eps="layer"),
    "bloom": Case(
        "BloomForCausalLM", A.BLOOM, {}, qkv_apart, eps="layer", rope=False,
        sizes={"vocab_size": VOCABULARY, "hidden_size": 32, "n_layer": 2, "n_head": 4},
    ),
    "falcon-7b": Case("FalconForCausalLM", A.FALCON, {"multi_query": True}, falcon, _falcon, eps="layer",
                      rope=False, sizes=FALCON),
    "falcon-11b": Case(
        "FalconForCausalLM", A.FALCON,
        {"new_decoder_architecture": True, "num_kv_heads": 2, "num_ln_in_parallel_attn": 1}, falcon, _falcon,
        eps="layer", rope=False, sizes=FALCON,
    ),
    "falcon-40b": Case(
        "FalconForCausalLM", A.FALCON, {"new_decoder_architecture": True, "num_kv_heads": 2}, falcon, _falcon,
        eps="layer", rope=False, sizes=FALCON,
    ),
    "mamba": Case(
        "MambaForCausalLM", A.MAMBA, {}, mamba, _mamba, rope=False,
        sizes={"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 8,
               "time_step_rank": 4, "conv_kernel": 4, "expand": 2},
    ),
    "starcoder": Case("GPTBigCodeForCausalLM", A.STARCODER, {}, eps="layer", rope=False, sizes=GPT),
    "starcoder2": Case("Starcoder2ForCausalLM", A.STARCODER2, {}, eps="layer"),
    "stablelm": Case(
        "StableLmForCausalLM", A.STABLELM, {"partial_rotary_factor": 0.5}, metadata=_parallel, eps="layer"
    ),
    "stablelm-2-12b": Case(
        "StableLmForCausalLM", A.STABLELM,
        {"use_parallel_residual": True, "qk_layernorm": True, "use_qkv_bias": True, "partial_rotary_factor": 0.5},
        metadata=_parallel, eps="layer",
    ),
    "command-r": Case(
        "CohereForCausalLM", A.COMMAND_R, {"logit_scale": 0.5},
        metadata=lambda writer, config: writer.add_logit_scale(config.logit_scale), eps="layer",
    ),
    "nemotron": Case(
        "NemotronForCausalLM", A.NEMOTRON, {"partial_rotary_factor": 0.5},
        lambda name, W, _: W + 1 if name.endswith("norm.weight") else W, eps="layer",
    ),
}  # fmt: skip


def make(case: Case, folder: Path, seed: int = 0, **changes: Any) -> Any:
    """A random tiny model of the case with a tokenizer in `folder`; biases and norms are random too."""
    kind = getattr(transformers, case.hub_class)
    torch.manual_seed(seed)
    model = kind(kind.config_class(**{**case.sizes, **case.config, **changes})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn_like(parameter)
            if parameter.ndim > 1:
                parameter.copy_(case.noise * noise)
            else:
                parameter.add_(0.1 * noise)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    write_tokenizer(folder)
    return model


def write(
    model: Any,
    case: Case,
    folder: Path,
    file: Path,
    kind: str = "F32",
    more: Callable[[gguf.GGUFWriter], None] | None = None,
    pre: str = "gpt-2",
) -> Path:
    """`model`, saved in `folder`, as a GGUF whose matrices are stored as `kind`. more: adds metadata."""
    config = model.config
    name = gguf.MODEL_ARCH_NAMES[case.arch]
    writer = gguf.GGUFWriter(file, name)
    blocks = config.num_hidden_layers
    writer.add_block_count(blocks)
    _sizes(writer, config, case)
    case.metadata(writer, config)
    add_tokenizer(writer, folder, config.vocab_size, pre)
    if more is not None:
        more(writer)
    for own, W in tensors(folder, case, config):
        W = np.ascontiguousarray(case.arrange(own, W.astype(np.float32), config))
        stored = gguf.GGMLQuantizationType[kind] if W.ndim > 1 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(own, gguf.quants.quantize(W, stored), raw_dtype=stored)
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()
    return file


def tensors(folder: Path, case: Case, config: Any) -> Iterator[tuple[str, np.ndarray]]:
    """(llama.cpp's name, weights) of the model saved in `folder`; experts, and StableLM's norms of heads, stacked."""
    from safetensors.numpy import load_file

    names = gguf.get_tensor_name_map(case.arch, config.num_hidden_layers)
    stacks: dict[str, list[tuple[int, np.ndarray]]] = {}
    for hub, W in load_file(folder / "model.safetensors").items():
        parts = hub.split(".")
        if case.arch == A.GPT_OSS and ("experts" in parts or "sinks" in parts):
            yield from _of_gpt_oss(f"blk.{parts[2]}", parts[-1], W)
            continue
        numbered = next((i for i, part in enumerate(parts) if part in ("experts", "norms")), None)
        if numbered is None:
            known = (
                names.get_name(name, try_suffixes=(".weight", ".bias"))
                for name in (hub, hub.removeprefix("transformer."))
            )
            own = next((name for name in known if name), None)
            assert own is not None, hub
            yield own, W
            continue
        number = int(parts[numbered + 1])
        if parts[numbered] == "norms":
            parts = [part for i, part in enumerate(parts) if i not in (numbered, numbered + 1)]
            own = names.get_name(".".join(parts), try_suffixes=(".weight",))
        else:
            own = names.get_name(".".join(parts[: numbered + 1] + parts[numbered + 2 :]), try_suffixes=(".weight",))
        assert own is not None, hub
        stacks.setdefault(own, []).append((number, W))
    for own, stack in stacks.items():
        yield own, np.stack([W for _, W in sorted(stack, key=lambda pair: pair[0])])


def _of_gpt_oss(block: str, hub: str, W: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Its parameters outside layers, as `GptOssModel` of the converter takes them apart."""
    if hub == "sinks":
        yield f"{block}.attn_sinks.weight", W
        return
    leaf = "bias" if hub.endswith("_bias") else "weight"
    W = W if leaf == "bias" else W.swapaxes(1, 2)
    if hub.startswith("down_proj"):
        yield f"{block}.ffn_down_exps.{leaf}", W
    else:
        yield f"{block}.ffn_gate_exps.{leaf}", W[:, 0::2]
        yield f"{block}.ffn_up_exps.{leaf}", W[:, 1::2]


def _sizes(writer: gguf.GGUFWriter, config: Any, case: Case) -> None:
    width = config.hidden_size
    if not hasattr(config, "num_attention_heads"):  # Mamba
        writer.add_context_length(64)
        writer.add_embedding_length(width)
        writer.add_feed_forward_length(0)
        writer.add_head_count(0)
        writer.add_layer_norm_rms_eps(config.layer_norm_epsilon)
        return
    heads = config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or width // heads
    inner = getattr(config, "intermediate_size", None) or getattr(config, "n_inner", None) or 4 * width
    writer.add_context_length(getattr(config, "max_position_embeddings", None) or 64)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    grouped = getattr(config, "new_decoder_architecture", False)
    kv = config.num_kv_heads if grouped else getattr(config, "num_key_value_heads", heads)
    writer.add_head_count_kv(1 if getattr(config, "multi_query", False) and not grouped else kv)
    if head_dim * heads != width:
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    if case.eps == "rms":
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    else:
        names = ("layer_norm_eps", "layer_norm_epsilon", "norm_epsilon", "norm_eps")
        writer.add_layer_norm_eps(next((getattr(config, name) for name in names if hasattr(config, name)), 1e-5))
    if case.rope:
        rope = config.rope_parameters
        rope = rope.get("full_attention", rope)
        writer.add_rope_freq_base(rope["rope_theta"])
        writer.add_rope_dimension_count(int(head_dim * rope.get("partial_rotary_factor", 1.0)))


def add_tokenizer(writer: gguf.GGUFWriter, folder: Path, rows: int, pre: str = "gpt-2") -> None:
    """The byte-level BPE tokenizer of `folder`."""
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = sorted(tokenizer["model"]["vocab"].items(), key=lambda item: item[1])
    # llama.cpp names every row of the embedding, those without a token too.
    unused = [f"[PAD{row}]" for row in range(len(vocabulary), rows)]
    special = {token["content"] for token in tokenizer["added_tokens"]}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list([piece for piece, _ in vocabulary] + unused)
    writer.add_token_types([3 if piece in special else 1 for piece, _ in vocabulary] + [5] * len(unused))
    writer.add_token_merges([" ".join(pair) for pair in tokenizer["model"]["merges"]])
    writer.add_eos_token_id(1)
    writer.add_bos_token_id(1)
