"""Hostile model files: GGUF and safetensors headers, configs, tokenizers and chat templates."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from tests.hostile.mutations import VALUES, as_bytes, put, share, without

Inputs = dict[str, bytes]
MEGABYTE = 1 << 20
LONG = "x" * 5000
UINT8, UINT32, STRING, ARRAY, UINT64 = 0, 4, 8, 9, 10


def _text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def _pair(key: str, kind: int, value: bytes) -> bytes:
    return _text(key) + struct.pack("<I", kind) + value


def _tensor(name: str, sizes: list[int], kind: int = 0, offset: int = 0) -> bytes:
    return _text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset)


def _gguf(*parts: bytes, version: int = 3, tensors: int = 0, pairs: int = 0, data: int = 0) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", version, tensors, pairs) + b"".join(parts)
    return head + bytes(-len(head) % 32) + bytes(data)


def _array(kind: int, length: int, data: bytes = b"") -> bytes:
    return struct.pack("<IQ", kind, length) + data


ARCHITECTURE = _pair("general.architecture", STRING, _text("llama"))


def ggufs(seed: bytes) -> Inputs:
    found = {
        "nothing": b"",
        "magic": b"GGUF",
        "text": b"hello" * 20,
        "zeros": bytes(4096),
        "version": _gguf(version=2**31),
        "60 bytes of 2^60 tensors": _gguf(tensors=2**60),
        "2^60 pairs": _gguf(pairs=2**60),
        "2^60 numbers": _gguf(_pair("a", ARRAY, _array(UINT32, 2**60)), pairs=1),
        "2^64 - 1": _gguf(tensors=2**64 - 1, pairs=2**64 - 1),
        "2^63 letters": _gguf(_pair("a", STRING, struct.pack("<Q", 2**63)), pairs=1),
        "2^60 elements": _gguf(ARCHITECTURE, _tensor("token_embd.weight", [2**30, 2**30]), tensors=1, pairs=1, data=64),
        "a product that wraps": _gguf(ARCHITECTURE, _tensor("t", [2**32, 2**32]), tensors=1, pairs=1, data=64),
        "an offset that wraps": _gguf(ARCHITECTURE, _tensor("t", [4], 0, 2**64 - 32), tensors=1, pairs=1, data=64),
        "arrays in depth": _gguf(_pair("a", ARRAY, _array(ARRAY, 1) * 100_000), pairs=1),
        "empty arrays": _gguf(_pair("a", ARRAY, _array(ARRAY, 1_000_000, _array(UINT8, 0) * 1_000_000)), pairs=1),
        "bytes as numbers": _gguf(_pair("a", ARRAY, _array(UINT8, 60 * MEGABYTE, bytes(60 * MEGABYTE))), pairs=1),
        "empty strings": _gguf(_pair("a", ARRAY, _array(STRING, 4_000_000, bytes(32_000_000))), pairs=1),
        "one name ten thousand times": _gguf(*[_tensor("t", [1])] * 10_000, tensors=10_000, data=64),
        "names and one twice": _gguf(
            *[_tensor(f"t{i}", [1]) for i in range(20_000)], _tensor("t19999", [1]), tensors=20_001, data=64
        ),
        "pairs by the thousand": _gguf(*[_pair(f"k{i}", UINT8, b"\0") for i in range(50_000)], pairs=50_000),
        "alignment of 2^31": _gguf(_pair("general.alignment", UINT32, struct.pack("<I", 2**31)), pairs=1),
        "alignment of 0": _gguf(_pair("general.alignment", UINT32, bytes(4)), pairs=1),
        "architecture of numbers": _gguf(_pair("general.architecture", UINT32, bytes(4)), pairs=1),
        "unknown architecture": _gguf(_pair("general.architecture", STRING, _text("a" * 100_000)), pairs=1),
        "a name not UTF-8": _gguf(struct.pack("<Q", 2) + b"\xff\xfe" + struct.pack("<I", 4) + bytes(4), pairs=1),
        "type": _gguf(_pair("general.type", ARRAY, _array(UINT8, 0)), ARCHITECTURE, pairs=2),
        "parts": _gguf(ARCHITECTURE, _pair("split.count", UINT64, struct.pack("<Q", 2**63)), pairs=2),
        "no tensors": _gguf(ARCHITECTURE, pairs=1),
    }
    for key, size in (
        ("block_count", 4),
        ("embedding_length", 4),
        ("attention.head_count", 4),
        ("context_length", 4),
        ("feed_forward_length", 4),
        ("attention.head_count_kv", 4),
        ("rope.dimension_count", 4),
        ("rope.freq_base", 4),
        ("attention.layer_norm_rms_epsilon", 4),
    ):
        name = _text(f"llama.{key}")
        at = seed.index(name) + len(name) + 4
        for value in (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x80", b"\xff\xff\xff\x7f", b"\0\0\xc0\x7f"):
            found[f"{key} {value.hex()}"] = seed[:at] + value + seed[at + size :]
        found[f"{key} of another type"] = seed[: at - 4] + struct.pack("<I", UINT8) + seed[at:]
    tokens = seed.index(_text("tokenizer.ggml.tokens"))
    for step in range(0, 400, 20):
        found[f"vocabulary {step}"] = seed[: tokens + step] + b"\xff" + seed[tokens + step + 1 :]
    for kept in (0.1, 0.5, 0.9, 0.99):
        found[f"cut at {kept}"] = seed[: int(len(seed) * kept)]
    return found


def _safetensors(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else as_bytes(header)
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def safetensors(seed: bytes) -> Inputs:
    (length,) = struct.unpack("<Q", seed[:8])
    header, data = json.loads(seed[8 : 8 + length]), seed[8 + length :]
    name = next(key for key in header if key != "__metadata__")
    one: dict[str, Any] = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    found = {
        "nothing": b"",
        "eight bytes": bytes(8),
        "a pickle": b"\x80\x04K\x01.",
        "a zip": b"PK\x03\x04" + bytes(60),
        "2^63 bytes of header": _safetensors({}, length=2**63),
        "cut": seed[: len(seed) // 2],
        "no JSON": _safetensors(b"{" * 50),
        "depth": _safetensors(b'{"a":' * 100_000),
        "lists": _safetensors(b'{"a":[' + b"[]," * 4_000_000 + b"[]]}"),
        "no object": _safetensors(b"[]   "),
        "no tensors": _safetensors({}),
        "digits": _safetensors(b'{"a":' + b"9" * 100_000 + b"}"),
        "2^60 elements": _safetensors({"a": {**one, "shape": [2**30, 2**30]}}, bytes(8)),
        "a negative shape": _safetensors({"a": {**one, "shape": [-1, -2]}}, bytes(8)),
        "a shape of nothing": _safetensors({"a": {**one, "shape": [0, 2**62], "data_offsets": [0, 0]}}),
        "a shape of texts": _safetensors({"a": {**one, "shape": ["2"]}}, bytes(8)),
        "a shape of floats": _safetensors({"a": {**one, "shape": [2.0]}}, bytes(8)),
        "a shape of bools": _safetensors({"a": {**one, "shape": [True, True], "data_offsets": [0, 4]}}, bytes(4)),
        "dimensions by the thousand": _safetensors({"a": {**one, "shape": [1] * 9000 + [2]}}, bytes(8)),
        "backwards": _safetensors({"a": {**one, "data_offsets": [8, 0]}}, bytes(8)),
        "before": _safetensors({"a": {**one, "data_offsets": [-8, 0]}}, bytes(8)),
        "one over another": _safetensors({"a": one, "b": one}, bytes(8)),
        "a hole": _safetensors({"a": {**one, "data_offsets": [8, 16]}}, bytes(16)),
        "three offsets": _safetensors({"a": {**one, "data_offsets": [0, 8, 8]}}, bytes(8)),
        "a long type": _safetensors({"a": {**one, "dtype": LONG}}, bytes(8)),
        "a long name of an unknown type": _safetensors({LONG: {**one, "dtype": "F3"}}, bytes(8)),
        "a name twice": _safetensors(
            b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
            bytes(8),
        ),
        "an unknown type": _safetensors({"a": {**one, "dtype": "F3"}}, bytes(8)),
        "a type of lists": _safetensors({"a": {**one, "dtype": []}}, bytes(8)),
        "names by the thousand": _safetensors(
            {f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(50_000)}
        ),
        "a name of a megabyte": _safetensors({"a" * MEGABYTE: one}, bytes(8)),
        "a name of half a pair": _safetensors({"\ud800": one}, bytes(8)),
        "metadata of numbers": _safetensors(
            {"__metadata__": {"a": 3}, **{k: v for k, v in header.items() if k != "__metadata__"}}, data
        ),
        "NaN": seed[: 8 + length] + b"\xff" * len(data),
        "infinity": seed[: 8 + length] + b"\0\0\x80\x7f" * (len(data) // 4),
    }
    for number, value in enumerate(VALUES):
        found[f"shape {number}"] = _safetensors(put(header, (name, "shape"), value), data)
        found[f"offsets {number}"] = _safetensors(put(header, (name, "data_offsets"), value), data)
    for key in list(header)[:6]:
        found[f"without {key}"] = _safetensors(without(header, (key,)), data)
    return found


def configs(seed: bytes) -> Inputs:
    said = json.loads(seed)
    found = {
        "nothing": b"",
        "a list": b"[]",
        "depth": b'{"a":' * 100_000,
        "digits": b'{"a":' + b"9" * 100_000 + b"}",
        "lists": b'{"a":[' + b"[]," * 5_000_000 + b"[]]}",
        "NUL": b"\0" * 100,
        "UTF-16": "{}".encode("utf-16"),
        "Git LFS": b"version https://git-lfs.github.com/spec/v1\n",
        "an empty object": b"{}",
        "20 MB": b" " * (20 * MEGABYTE),
    }
    changes: dict[str, dict[str, Any]] = {
        "hidden_size of a billion": {"hidden_size": 10**9},
        "layers of a billion": {"num_hidden_layers": 10**9},
        "positions of a billion": {"max_position_embeddings": 10**12},
        "vocabulary of a billion": {"vocab_size": 10**9},
        "code of its own": {
            "auto_map": {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"},
            "model_type": "evil",
        },
        "attention from the hub": {"_attn_implementation": "kernels-community/evil"},
        "attention of another name": {"attn_implementation": "evil/kernels"},
        "internal attention": {"_attn_implementation_internal": "evil/kernels"},
        "experts from the hub": {"_experts_implementation": "evil/kernels"},
        "a path": {"_name_or_path": "/etc/passwd"},
        "an attribute": {"to_dict": 3, "from_dict": 3},
        "dunder": {"__class__": "x", "__dict__": {}},
        "an attribute map": {"attribute_map": {"hidden_size": "hidden_size"}},
        "a dtype": {"torch_dtype": "os.system"},
        "another dtype": {"dtype": ["float32"]},
        "id2label": {"id2label": {"a": "b"}},
        "labels": {"num_labels": 10**9},
        "a tensor-parallel plan": {"base_model_tp_plan": {"*": "evil"}},
        "a pipeline plan": {"base_model_pp_plan": {"x": 3}},
        "pruned heads": {"pruned_heads": {"0": [0, 1, 2, 3]}},
        "sub-configs": {"sub_configs": {"x": 3}},
        "generation": {"generation_config": 3},
        "chunks": {"chunk_size_feed_forward": 10**9},
        "problem": {"problem_type": "evil"},
        "quantized by": {"quantization_config": {"quant_method": "evil"}},
        "quantized by a list": {"quantization_config": []},
        "quantized by hqq": {"quantization_config": {"quant_method": "hqq"}},
        "compressed by": {"quantization_config": {"quant_method": "compressed-tensors", "config_groups": 3}},
        "rope of nothing": {"rope_parameters": {}},
        "rope of a list": {"rope_parameters": []},
        "rope of a type": {"rope_parameters": {"rope_type": "evil"}},
        "rope of yarn": {"rope_parameters": {"rope_type": "yarn", "factor": 1e308, "rope_theta": 1e308}},
        "rope of longrope": {
            "rope_parameters": {"rope_type": "longrope", "short_factor": [1] * 10**6, "long_factor": []}
        },
        "rope of zero": {"rope_parameters": {"rope_type": "linear", "factor": 0.0, "rope_theta": 0.0}},
        "eps of nan": {"rms_norm_eps": float("nan")},
        "activation": {"hidden_act": "__import__('os')"},
        "activation of a list": {"hidden_act": ["silu"]},
        "no heads": {"num_attention_heads": 0},
        "minus heads": {"num_attention_heads": -4},
        "heads of text": {"num_attention_heads": "4"},
        "layer types": {"layer_types": ["evil"] * 2},
        "layer types by the million": {"layer_types": ["full_attention"] * 10**6},
        "BERT": {"model_type": "bert", "architectures": ["BertForMaskedLM"]},
        "T5": {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"]},
        "mixtral of a billion": {
            "model_type": "mixtral",
            "architectures": ["MixtralForCausalLM"],
            "num_local_experts": 10**9,
        },
        "mixtral of half a million": {
            "model_type": "mixtral",
            "architectures": ["MixtralForCausalLM"],
            "num_local_experts": 1000,
            "num_hidden_layers": 1000,
        },
        "deepseek": {
            "model_type": "deepseek_v3",
            "architectures": ["DeepseekV3ForCausalLM"],
            "n_routed_experts": 1000,
            "q_lora_rank": 10**9,
        },
        "mamba": {
            "model_type": "mamba",
            "architectures": ["MambaForCausalLM"],
            "state_size": 10**12,
            "conv_kernel": 10**9,
        },
        "llava": {
            "model_type": "llava",
            "architectures": ["LlavaForConditionalGeneration"],
            "text_config": {"hidden_size": 10**9},
        },
        "gemma3 within": {"model_type": "gemma3_text", "architectures": ["Gemma3ForCausalLM"], "head_dim": 10**6},
        "gpt2 of contexts": {
            "model_type": "gpt2",
            "architectures": ["GPT2LMHeadModel"],
            "n_positions": 10**12,
            "n_ctx": 10**12,
        },
        "bloom": {"model_type": "bloom", "architectures": ["BloomForCausalLM"], "n_head": 10**9},
        "a thousand blocks of billions": {
            "num_hidden_layers": 1000,
            "max_position_embeddings": 10**15,
            "intermediate_size": 28_000,
        },
        "architectures of numbers": {"architectures": [3]},
        "architectures of text": {"architectures": "Llama"},
        "no type": {"model_type": None},
        "a type of lists": {"model_type": ["llama"]},
        "a type of a path": {"model_type": "../../evil"},
        "unknown": {"model_type": "evil" * 1000},
        "floats as objects": {"rms_norm_eps": {"__float__": "evil"}},
        "floats as lists": {"rms_norm_eps": {"__float__": [1]}},
        "half a pair": {"_name_or_path": "\ud800"},
        "tied as text": {"tie_word_embeddings": "yes"},
        "ids": {"eos_token_id": {"a": 1}},
        "eps of 400 digits": {"rms_norm_eps": 10**400},
        "theta of 400 digits": {"rope_parameters": {"rope_type": "default", "rope_theta": 10**400}},
        "factors of 400 digits": {"rope_parameters": {"rope_type": "longrope", "short_factor": [10**400] * 4}},
        "theta of minus infinity": {"rope_parameters": {"rope_type": "default", "rope_theta": float("-inf")}},
        "theta below zero": {"rope_parameters": {"rope_type": "default", "rope_theta": -1.0}},
        "llama3 of zeros": {
            "rope_parameters": {
                "rope_type": "llama3",
                "factor": 0,
                "rope_theta": 1e4,
                "low_freq_factor": 0,
                "high_freq_factor": 0,
                "original_max_position_embeddings": 0,
            }
        },
        "dynamic of nothing": {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": None}},
        "window of 2^62": {"sliding_window": 2**62, "use_sliding_window": True},
        "window below zero": {"sliding_window": -1, "layer_types": ["sliding_attention"] * 2},
        "heads that do not divide": {"num_attention_heads": 5},
        "key heads that do not divide": {"num_key_value_heads": 3},
        "key heads of none": {"num_key_value_heads": 0},
        "head_dim of one": {"head_dim": 1},
        "one block more": {"num_hidden_layers": 3},
        "no block": {"num_hidden_layers": 0},
        "a block less": {"num_hidden_layers": 1},
        "one word less": {"vocab_size": 159},
        "padding at minus one": {"pad_token_id": -1},
        "ends beyond": {"eos_token_id": [0, 2**40]},
        "text in text": {"text_config": {"text_config": {"text_config": {}}}},
        "a vision tower": {"vision_config": {"hidden_size": 10**9, "num_hidden_layers": 10**9}},
        "GPT-2 in Llama's clothes": {"model_type": "gpt2", "architectures": ["LlamaForCausalLM"]},
        "Gemma 3 with a pattern of nothing": {
            "model_type": "gemma3_text",
            "architectures": ["Gemma3ForCausalLM"],
            "sliding_window_pattern": 0,
        },
        "OPT": {"model_type": "opt", "architectures": ["OPTForCausalLM"], "word_embed_proj_dim": 10**9},
        "RWKV": {"model_type": "rwkv", "architectures": ["RwkvForCausalLM"], "attention_hidden_size": 10**9},
        "XLNet": {"model_type": "xlnet", "architectures": ["XLNetLMHeadModel"], "mem_len": 10**12},
        "a seed of Bark": {"model_type": "bark", "architectures": ["BarkForCausalLM"]},
        "experts of nobody": {
            "model_type": "mixtral",
            "architectures": ["MixtralForCausalLM"],
            "num_local_experts": 0,
            "num_experts_per_tok": 10**9,
        },
        "pad beyond": {"pad_token_id": 10**9},
        "return_dict": {"return_dict": "evil", "output_attentions": 3},
        "cache": {"use_cache": {"a": 1}},
    }
    found |= {name: as_bytes({**said, **change}) for name, change in changes.items()}
    for turn, key in enumerate(said):
        for number, value in share(turn, 3):
            found[f"{key} {number}"] = as_bytes({**said, key: value})
        found[f"without {key}"] = as_bytes({other: value for other, value in said.items() if other != key})
    return found


def tokenizers(seed: bytes) -> Inputs:
    said = json.loads(seed)
    hangs = [
        "(a+)+$",
        "(x+x+)+y",
        "(.*)*=",
        "([a-zA-Z ]+)*\\d",
        "(\\w|\\w)+;",
        "(?=(\\w+)+;)",
        "((a|b|c| )*)*!",
        "(?:\\p{L}|\\w)+$!",
    ]
    split = {"type": "Split", "behavior": "Isolated", "invert": False}
    grow = {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}
    found = {
        "nothing": b"",
        "a list": b"[]",
        "an empty object": b"{}",
        "depth": b'{"a":' * 100_000,
        "lists": b"[" * 1_000_000,
        "NUL": bytes(100),
        "Git LFS": b"version https://git-lfs.github.com/spec/v1\n",
        "digits": seed.replace(b'"id": 0', b'"id": ' + b"9" * 1000),
        "cut": seed[: len(seed) // 2],
        **{f"split {one}": as_bytes({**said, "pre_tokenizer": {**split, "pattern": {"Regex": one}}}) for one in hangs},
        **{
            f"replace {one}": as_bytes(
                {**said, "normalizer": {"type": "Replace", "pattern": {"Regex": one}, "content": ""}}
            )
            for one in hangs
        },
    }
    vocabulary = said["model"]["vocab"]
    parts: dict[str, dict[str, Any]] = {
        "doubles forty times": {"normalizer": {"type": "Sequence", "normalizers": [grow] * 40}},
        "a megabyte for a letter": {
            "normalizer": {"type": "Replace", "pattern": {"String": "l"}, "content": "x" * MEGABYTE}
        },
        "a megabyte for nothing": {
            "normalizer": {"type": "Replace", "pattern": {"Regex": ""}, "content": "x" * MEGABYTE}
        },
        "a megabyte in front": {"normalizer": {"type": "Prepend", "prepend": "x" * (4 * MEGABYTE)}},
        "sequences in depth": {"normalizer": _nested(200)},
        "an empty pattern": {"pre_tokenizer": {**split, "pattern": {"String": ""}}},
        "a bad pattern": {"pre_tokenizer": {**split, "pattern": {"Regex": "("}}},
        "repetitions": {"pre_tokenizer": {**split, "pattern": {"Regex": "(((a{1000}){1000}){1000})"}}},
        "a pattern of a megabyte": {"pre_tokenizer": {**split, "pattern": {"Regex": "a|" * 500_000}}},
        "a bad charsmap": {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}},
        "a charsmap of ones": {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "/////w==" + "/" * 400}},
        "a charsmap of nothing": {"normalizer": {"type": "Precompiled", "precompiled_charsmap": ""}},
        "truncation": {
            "truncation": {"direction": "Right", "max_length": 2**63, "strategy": "LongestFirst", "stride": 2**63}
        },
        "padding": {
            "padding": {
                "strategy": {"Fixed": 2**40},
                "direction": "Right",
                "pad_to_multiple_of": None,
                "pad_id": 0,
                "pad_type_id": 0,
                "pad_token": "[PAD]",
            }
        },
        "a template without end": {
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "x", "type_id": 0}}] * 1000,
                "pair": [],
                "special_tokens": {"x": {"id": "x", "ids": list(range(150)) * 100, "tokens": ["x"] * 15_000}},
            }
        },
        "a template of nobody": {
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "x", "type_id": 0}}],
                "pair": [],
                "special_tokens": {},
            }
        },
        "strip": {"decoder": {"type": "Strip", "content": " ", "start": 2**63, "stop": 2**63}},
        "ctc": {"decoder": {"type": "CTC", "pad_token": "", "word_delimiter_token": "", "cleanup": True}},
        "a decoder that grows": {"decoder": {"type": "Replace", "pattern": {"String": "l"}, "content": "x" * MEGABYTE}},
        "ids of 2^32": {
            "added_tokens": [
                {
                    "id": 2**32 - 1,
                    "content": "x",
                    "special": True,
                    "single_word": False,
                    "lstrip": False,
                    "rstrip": False,
                    "normalized": False,
                }
            ]
        },
        "tokens of nothing": {
            "added_tokens": [
                {
                    "id": 0,
                    "content": "",
                    "special": True,
                    "single_word": False,
                    "lstrip": False,
                    "rstrip": False,
                    "normalized": True,
                }
            ]
        },
        "tokens by the thousand": {
            "added_tokens": [
                {
                    "id": i,
                    "content": f"<{i}>",
                    "special": i % 2 == 0,
                    "single_word": False,
                    "lstrip": True,
                    "rstrip": True,
                    "normalized": True,
                }
                for i in range(20_000)
            ]
        },
        "digits of a digit": {"pre_tokenizer": {"type": "Digits", "individual_digits": "x"}},
        "an unknown part": {"pre_tokenizer": {"type": "Evil"}},
        "fixed length of 0": {"pre_tokenizer": {"type": "FixedLength", "length": 0}},
        "a delimiter": {"pre_tokenizer": {"type": "CharDelimiterSplit", "delimiter": "xx"}},
        "metaspace": {
            "pre_tokenizer": {"type": "Metaspace", "replacement": "ab", "prepend_scheme": "always", "split": True}
        },
        "unigram of nothing": {"model": {"type": "Unigram", "unk_id": 2**40, "vocab": []}},
        "unigram of nan": {"model": {"type": "Unigram", "unk_id": 0, "vocab": [["a", float("nan")], ["", 1.0]]}},
        "unigram of endless tokens": {
            "model": {
                "type": "Unigram",
                "unk_id": 0,
                "vocab": [["<unk>", 0.0], ["x" * MEGABYTE, 1.0], ["a", 1e308], ["b", -1e308]],
            }
        },
        "word pieces": {
            "model": {
                "type": "WordPiece",
                "vocab": {"a": 0},
                "unk_token": "[UNK]",
                "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 2**63,
            }
        },
        "word level": {"model": {"type": "WordLevel", "vocab": {"a": 2**32 - 1}, "unk_token": "b"}},
        "an unknown model": {"model": {"type": "Evil", "vocab": {}}},
        "merges of strangers": {"model": {**said["model"], "merges": [["evil", "thing"]]}},
        "merges of numbers": {"model": {**said["model"], "merges": [1, 2]}},
        "ids apart": {"model": {**said["model"], "vocab": {key: number * 10**7 for key, number in vocabulary.items()}}},
        "ids below zero": {"model": {**said["model"], "vocab": {key: -number for key, number in vocabulary.items()}}},
        "one id": {"model": {**said["model"], "vocab": dict.fromkeys(vocabulary, 0)}},
        "no vocabulary": {"model": {**said["model"], "vocab": {}, "merges": []}},
        "dropout": {"model": {**said["model"], "dropout": 1.0}},
        "dropout of two": {"model": {**said["model"], "dropout": 2.0}},
        "prefix": {"model": {**said["model"], "continuing_subword_prefix": "x" * MEGABYTE}},
        "unknown of nobody": {"model": {**said["model"], "unk_token": "nobody"}},
    }
    found |= {name: as_bytes({**said, **part}) for name, part in parts.items()}
    for turn, key in enumerate(said):
        for number, value in share(turn, 3):
            found[f"{key} {number}"] = as_bytes({**said, key: value})
    return found


def _nested(depth: int) -> Any:
    found: Any = {"type": "NFC"}
    for _ in range(depth):
        found = {"type": "Sequence", "normalizers": [found]}
    return found


def tokenizer_settings(seed: bytes) -> Inputs:
    said = json.loads(seed)
    keys = (
        "bos_token",
        "eos_token",
        "add_bos_token",
        "chat_template",
        "tokenizer_class",
        "model_max_length",
        "auto_map",
    )
    found = {
        f"{key} {number}": as_bytes({**said, key: value})
        for turn, key in enumerate(keys)
        for number, value in share(turn, 2)
    }
    return found | {
        "nothing": b"",
        "a list": b"[]",
        "depth": b"[" * 100_000,
        "templates of nobody": as_bytes({"chat_template": [{"name": "x"}, 3, None]}),
        "templates of lists": as_bytes({"chat_template": [{"name": "default", "template": [1]}]}),
        "token of tokens": as_bytes({"bos_token": {"content": {"content": "x"}}}),
        "code": as_bytes({"auto_map": {"AutoTokenizer": ["evil.Tokenizer", None]}, "tokenizer_class": "Evil"}),
    }


def templates() -> Inputs:
    sources = {
        "two loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "a long range": "{% for a in range(10**9) %}{% endfor %}",
        "a long text": "{{ 'a' * 10**10 }}",
        "a text of texts": "{% for a in range(99999) %}{{ 'a' * 10**6 }}{% endfor %}",
        "a power": "{{ 10 ** (10 ** 10) }}",
        "a large number": "{{ 10 ** 5000 }}",
        "a shift": "{{ 1 // 0 }}",
        "recursion": "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
        "recursive loop": "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "include": "{% include '/etc/passwd' %}",
        "import": "{% import 'os' as os %}",
        "extends": "{% extends messages %}",
        "padding": "{{ '%1000000000d' % 1 }}",
        "format": "{{ '{:>1000000000}'.format(1) }}",
        "format of attributes": "{{ '{0.__class__.__mro__}'.format(1) }}",
        "center": "{{ 'x' | center(10**9) }}",
        "indent": "{{ 'x\n' * 1000 | indent(10**6) }}",
        "wordwrap": "{{ ('x' * 10**6) | wordwrap(1) }}",
        "class": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "globals": "{{ raise_exception.__globals__ }}",
        "the function behind": "{{ strftime_now.__globals__['__builtins__'] }}",
        "attr": "{{ '' | attr('__class__') }}",
        "strftime": "{{ strftime_now('%' * 100000) }}",
        "strftime of NUL": "{{ strftime_now('\\0') }}",
        "strftime of a number": "{{ strftime_now(3) }}",
        "cut": "{% for",
        "brackets": "{{" + "(" * 5000 + "}}",
        "lists in depth": "{{" + "[" * 300 + "]" * 300 + "}}",
        "tags in depth": "{% if 1 %}" * 500 + "{% endif %}" * 500,
        "pluses": "{{ 1" + " + 1" * 20_000 + " }}",
        "filters": "{{ 1" + " | abs" * 5000 + " }}",
        "unknown filter": "{{ 1 | evil }}",
        "undefined": "{{ a.b.c }}",
        "a megabyte": "x" * 1_000_001,
        "messages changed": "{{ messages.append(1) }}",
        "messages cleared": "{{ messages.clear() }}",
        "break": "{% for m in messages %}{% break %}{% endfor %}",
        "break outside": "{% break %}",
        "generation open": "{% generation %}",
        "endgeneration": "{% endgeneration %}",
        "debug": "{% debug %}",
        "autoescape": "{% autoescape true %}{{ '<' }}{% endautoescape %}",
        "lipsum": "{{ lipsum(n=10**6) }}",
        "cycler": "{{ cycler() }}",
        "namespace": "{% set a = namespace() %}{% set a.b = a %}{{ a }}",
        "a list of itself": "{% set a = [] %}{{ a | tojson }}{{ [a, a] | string }}",
        "tojson without end": "{{ range(10**5) | list | tojson(indent=10**6) }}",
        "sum": "{{ range(99999) | sum(start='a') }}",
        "random": "{{ [] | random }}",
        "sort": "{{ [1, 'a'] | sort }}",
        "half a pair": "{{ '\\ud800' }}",
        "joiner": "{{ joiner }}",
        "self": "{{ self }}{{ self.__dict__ }}",
        "loop": "{{ loop }}",
        "caller": "{{ caller() }}",
        "replace": "{{ ('a' * 10**6) | replace('', 'b' * 10**6) }}",
        "join": "{{ range(99999) | join('x' * 10**6) }}",
        "urlize": "{{ ('www.' * 10**5) | urlize }}",
        "striptags": "{{ ('<' * 10**6) | striptags }}",
        "truncate": "{{ 'x' | truncate(-1) }}",
        "batch": "{{ [1] | batch(10**9, 0) | list }}",
        "slice": "{{ [1] | slice(10**9) | list }}",
        "groupby": "{{ messages | groupby('evil') }}",
        "pprint": "{{ messages | pprint }}",
        "round": "{{ 1.5 | round(10**9) }}",
        "int": "{{ ('9' * 10**5) | int }}",
        "float": "{{ '1e999' | float | int }}",
    }
    found = {name: source.encode("utf-8") for name, source in sources.items()}
    return found | {
        "not UTF-8": b"\xff\xfe\xff",
        "NUL": b"{{ 1 }}\0",
        "5 MB": b"x" * (5 * MEGABYTE),
        "an empty file": b"",
    }


def of_model(door: str, seed: bytes) -> Inputs:
    """The inputs for one of the doors of a model folder."""
    made = {
        "gguf": ggufs,
        "safetensors": safetensors,
        "config": configs,
        "tokenizer": tokenizers,
        "tokenizer_settings": tokenizer_settings,
    }
    return made[door](seed)


__all__ = ["Inputs", "Path", "of_model", "templates"]
