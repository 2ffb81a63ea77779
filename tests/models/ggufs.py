"""Tiny GGUF files written from a hub folder, with llama.cpp's own package and llama.cpp's row order for q and k."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
from gguf.quants import quantize
from safetensors.numpy import load_file

LEAVES = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip
OUTER = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def llama_cpp_rows(weights: np.ndarray, heads: int) -> np.ndarray:
    """Rows (half, pair) of each head as (pair, half): the order in which llama.cpp stores q and k."""
    halves = weights.reshape(heads, 2, -1, weights.shape[1])
    return np.ascontiguousarray(np.stack([halves[:, 0], halves[:, 1]], axis=2).reshape(weights.shape))


def write_gguf(
    folder: Path,
    file: Path,
    kind: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32,
    pre: str = "gpt-2",
    rope_inverse: np.ndarray | None = None,
) -> Path:
    """The Llama or Qwen2 in `folder` as a GGUF whose linear weights and embedding are stored as `kind`.

    rope_inverse: the rotary frequencies that the model uses; how they differ from the plain ones is stored as
        llama.cpp does, as metadata for linear scaling, as one factor per frequency for Llama 3's.
    """
    config = json.loads((folder / "config.json").read_text())
    architecture = config["model_type"]
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    writer = gguf.GGUFWriter(file, architecture)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_rope_dimension_count(config["hidden_size"] // heads)
    rope = config["rope_parameters"]
    if rope_inverse is not None and rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    elif rope_inverse is not None:
        plain = rope["rope_theta"] ** -(np.arange(len(rope_inverse)) / len(rope_inverse))
        writer.add_tensor("rope_freqs.weight", (plain / rope_inverse).astype(np.float32))
    _add_tokenizer(writer, folder, pre, config["vocab_size"])
    for name, weights in load_file(folder / "model.safetensors").items():
        base, _, leaf = name.rpartition(".")
        if base in OUTER:
            target = OUTER[base]
        else:
            _, _, block, part = base.split(".", 3)
            target = f"blk.{block}.{LEAVES[part]}"
        values = weights.astype(np.float32)
        if architecture == "llama" and target.endswith(("attn_q", "attn_k")):
            values = llama_cpp_rows(values, heads if target.endswith("attn_q") else kv_heads)
        stored = kind if values.ndim == 2 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(f"{target}.{leaf}", quantize(values, stored), raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _add_tokenizer(writer: gguf.GGUFWriter, folder: Path, pre: str, rows: int) -> None:
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
