"""A model as one GGUF file for llama.cpp: the opposite of `optlab.models.gguf`.

Weights that llama.cpp has blocks for keep their codes (`gguf_blocks`), everything else is written as float16. What a
file cannot say (another family, activations rounded at run time) is refused with a sentence instead of approximated.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from optlab import files
from optlab.compression import Compressed
from optlab.errors import ModelError
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.kernels.gguf_blocks import blocks, kind_of
from optlab.kernels.writable import GGUF_FAMILIES, check_gguf
from optlab.messages import say
from optlab.models.gguf import pre_tokenizers, rotary
from optlab.models.gguf.architectures import OUTER as HUB_OUTER
from optlab.models.gguf.blocks import float16_holds
from optlab.models.gguf.families.llama import BLOCK as HUB_BLOCK
from optlab.models.inputs import input_formats
from optlab.models.key_values import key_value_formats
from optlab.models.language_model import LanguageModel
from optlab.models.transformer import Config, Rotary, Transformer
from optlab.progress import Progress, silent

INNER = {hub: own for own, hub in HUB_BLOCK.items()}
OUTER = {hub: own for own, hub in HUB_OUTER.items()}
NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
"""llama.cpp's types of tokens."""
OTHER_BPE = ("byte_fallback", "continuing_subword_prefix", "end_of_word_suffix")
"""What makes a BPE model of tokenizer.json another one than GPT-2's."""


def export(source: LanguageModel | Compressed, file: str | Path, progress: Progress = silent) -> dict[str, int]:
    """Write `source` to `file`; how many weights of each GGUF type it holds ({"Q4_1": 210, "F16": 1, "F32": 61}).

    Raises ModelError when the model cannot be expressed, or the file not written.
    """
    import gguf

    model = source.model if isinstance(source, Compressed) else source
    stored = source.stored if isinstance(source, Compressed) else {}
    check_gguf(model.name, model.family, model.config)
    if not isinstance(model.module, Transformer):
        raise ModelError("{name} is computed by transformers, whose habits this file cannot say", name=model.name)
    if input_formats(model.module):
        raise ModelError("a GGUF file cannot say that activations are rounded; export weights without that step")
    if key_value_formats(model):
        raise ModelError("a GGUF file cannot say that keys and values are rounded; export weights without that step")
    config, target = model.module.config, Path(file)
    counts: dict[str, int] = {}
    try:
        with files.writing(target) as made:
            writer = gguf.GGUFWriter(made, GGUF_FAMILIES[model.family])
            _settings(writer, config, model)
            _tokens(writer, model, config.vocabulary)
            parameters = dict(model.module.named_parameters())
            for done, (name, parameter) in enumerate(parameters.items()):
                progress(done / len(parameters), say("writing {name}", name=name))
                kind = _add(writer, name, parameter.detach(), stored.get(name.removesuffix(".weight")), model)
                counts[kind] = counts.get(kind, 0) + 1
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
    except OSError as error:
        raise ModelError("{target} cannot be written: {why}", target=target, why=files.reason(error)) from None
    return counts


def gguf_name(name: str) -> str:
    """llama.cpp's name of a hub parameter: model.layers.3.self_attn.q_proj.weight -> blk.3.attn_q.weight."""
    base, _, leaf = name.rpartition(".")
    if base in OUTER:
        return f"{OUTER[base]}.{leaf}"
    _, _, block, part = base.split(".", 3)
    return f"blk.{block}.{INNER[part]}.{leaf}"


def row_order(rows: int, heads: int) -> Tensor:
    """Rows of q or k, long [rows], in llama.cpp's order: the pairs that are rotated together side by side."""
    return torch.arange(rows).view(heads, 2, -1).transpose(1, 2).flatten()


def order_of_rows(name: str, model: LanguageModel) -> Tensor | None:
    """`row_order` for a hub parameter of `model`, long [rows]; None where llama.cpp keeps the hub's order."""
    part = name.split(".")[-2]
    if GGUF_FAMILIES[model.family] != "llama" or part not in ("q_proj", "k_proj"):
        return None
    assert isinstance(model.module, Transformer)  # the only one of these families
    config = model.module.config
    heads = config.heads if part == "q_proj" else config.kv_heads
    return row_order(heads * config.head_dim, heads)


def _add(writer: Any, name: str, W: Tensor, stored: object, model: LanguageModel) -> str:
    """Add one tensor; the GGUF type it has there."""
    import gguf

    own, order = gguf_name(name), order_of_rows(name, model)
    if isinstance(stored, QuantizedTensor) and (kind := kind_of(stored)) is not None:
        writer.add_tensor(own, blocks(stored, order), raw_dtype=gguf.GGMLQuantizationType[kind])
        return kind
    values = (W if order is None else W[order]).float().cpu().numpy()
    exact = values.ndim == 1 or not float16_holds(values)
    writer.add_tensor(own, np.ascontiguousarray(values if exact else values.astype(np.float16)))
    return "F32" if exact else "F16"


def _settings(writer: Any, config: Config, model: LanguageModel) -> None:
    import gguf

    writer.add_name(Path(model.name).name)  # of a folder, not where it lies
    writer.add_block_count(config.blocks)
    writer.add_context_length(config.context_length)
    writer.add_embedding_length(config.width)
    writer.add_feed_forward_length(config.mlp_width)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_vocab_size(config.vocabulary)
    scaling = dict(config.rope_scaling)
    if scaling.get("rope_type") == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(float(scaling["factor"]))
    elif scaling.get("rope_type") == "llama3":
        plain = dataclasses.replace(config, rope_scaling=())
        divisors = Rotary(plain).frequencies / Rotary(config).frequencies
        writer.add_tensor(rotary.FACTORS, divisors.numpy())


def _tokens(writer: Any, model: LanguageModel, rows: int) -> None:
    tokenizer = json.loads(model.tokenizer.backend.to_str())
    kind = tokenizer["model"]
    if kind.get("type") != "BPE" or not kind.get("vocab") or any(kind.get(key) for key in OTHER_BPE):
        raise ModelError(
            "{name} has a tokenizer of type {type}; only byte-level BPE is written",
            name=model.name,
            type=kind.get("type"),
        )
    pieces = {number: piece for piece, number in kind["vocab"].items()}
    types = dict.fromkeys(pieces, NORMAL)
    for token in tokenizer.get("added_tokens", ()):
        pieces[token["id"]] = token["content"]
        types[token["id"]] = CONTROL if token.get("special") else USER_DEFINED
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre_tokenizers.name_of(tokenizer))
    writer.add_token_list([pieces.get(row, f"[PAD{row}]") for row in range(rows)])
    writer.add_token_types([types.get(row, UNUSED) for row in range(rows)])
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in kind["merges"]]
    writer.add_token_merges(merges)
    for role, add in (
        ("bos", writer.add_bos_token_id),
        ("eos", writer.add_eos_token_id),
        ("unk", writer.add_unk_token_id),
        ("pad", writer.add_pad_token_id),
    ):
        if (number := model.tokenizer.special_id(role)) is not None:
            add(number)
    before = model.tokenizer.framing("causal").before
    if before not in ((), (model.tokenizer.special_id("bos"),)):
        raise ModelError(
            "a GGUF file cannot say that texts begin with {tokens}, only that they begin with BOS",
            tokens=", ".join(repr(model.tokenizer.token(number)) for number in before),
        )
    writer.add_add_bos_token(bool(before))
    if isinstance(template := model.tokenizer.settings.get("chat_template"), str):
        writer.add_chat_template(template)
