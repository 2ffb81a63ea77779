"""The tokenizer inside a GGUF file as the hub's tokenizer.json, for byte-level BPE; without importing transformers.

A GGUF names its pre-tokenizer (`tokenizer.ggml.pre`) instead of storing it. The rules below are those of the
checkpoints that the names stand for; any other name is left to transformers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optlab.errors import ModelError
from optlab.models.gguf_file import GGUFFile

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CONTROL, USER_DEFINED = 3, 4
"""llama.cpp's token types: special tokens, and tokens that are matched before merging."""

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
PATTERNS = {"llama-bpe": LLAMA3, "qwen2": LLAMA3.replace("{1,3}", "")}
DIGIT_SPLITTERS = ("smollm",)
GPT2 = ("gpt-2", "default")


def understands(file: GGUFFile) -> bool:
    """Whether the tokenizer of the file is byte-level BPE with a pre-tokenizer known here."""
    pre = file.value("tokenizer.ggml.pre", "default")
    return file.value("tokenizer.ggml.model") == "gpt2" and pre in (*PATTERNS, *DIGIT_SPLITTERS, *GPT2)


def pre_tokenizer_name(tokenizer: dict[str, Any]) -> str:
    """llama.cpp's name for the pre-tokenizer of a tokenizer.json. Raises ModelError when it has none here."""
    first = tokenizer.get("pre_tokenizer") or {}
    parts = first.get("pretokenizers", [first])
    kinds = [part.get("type") for part in parts]
    if kinds == ["ByteLevel"] and parts[0].get("use_regex", True):
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"] and parts[0].get("individual_digits") and parts[1].get("use_regex", True):
        return DIGIT_SPLITTERS[0]
    if kinds == ["Split", "ByteLevel"]:
        for name, pattern in PATTERNS.items():
            if parts[0].get("pattern") == {"Regex": pattern}:
                return name
    raise ModelError("the way this tokenizer splits text has no name in GGUF files")


def build(file: GGUFFile) -> tuple[Tokenizer, dict[str, Any]]:
    """(tokenizer, the hub's tokenizer_config.json). Raises ValueError when the merges do not fit the vocabulary."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    pieces = file.value("tokenizer.ggml.tokens")
    types = file.value("tokenizer.ggml.token_type") or [1] * len(pieces)
    merges = [tuple(merge.split(" ")) for merge in file.value("tokenizer.ggml.merges")]
    pre = file.value("tokenizer.ggml.pre", "default")
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    try:
        tokenizer = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=pre == "llama-bpe"))
    except Exception as error:  # tokenizers raises nothing narrower, for instance for a merge of unknown pieces
        raise ValueError(f"the vocabulary and the merges do not fit together: {error}") from None
    by_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pre not in PATTERNS)
    if pre in DIGIT_SPLITTERS:
        first: pre_tokenizers.PreTokenizer = pre_tokenizers.Digits(individual_digits=True)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([first, by_bytes])
    elif pre in PATTERNS:
        first = pre_tokenizers.Split(Regex(PATTERNS[pre]), "isolated")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([first, by_bytes])
    else:
        tokenizer.pre_tokenizer = by_bytes
    if pre == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    for i, kind in enumerate(types):
        if kind == CONTROL:
            tokenizer.add_special_tokens([AddedToken(pieces[i], special=True, normalized=False)])
        elif kind == USER_DEFINED:
            tokenizer.add_tokens([AddedToken(pieces[i], normalized=False)])
    return tokenizer, _settings(file, pieces)


def _settings(file: GGUFFile, pieces: list[str]) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": int(file.own("context_length", 2048)),
        "clean_up_tokenization_spaces": False,
        "chat_template": file.value("tokenizer.chat_template"),
    }
    for role, key in (("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")):
        number = file.value(f"tokenizer.ggml.{key}_token_id")
        settings[f"{role}_token"] = pieces[number] if number is not None and number < len(pieces) else None
    return {key: value for key, value in settings.items() if value is not None}
