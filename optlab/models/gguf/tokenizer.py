"""The tokenizer inside a GGUF file as the hub's tokenizer.json and tokenizer_config.json; without transformers.

Two kinds of vocabulary are those of language models: byte-level BPE with merges ("gpt2" in GGUF) and SentencePiece BPE
with scores ("llama"). Whether a text begins with BOS or ends with EOS is written into both files, as llama.cpp decides
it: by the file, else by the kind.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from optlab.errors import ModelError
from optlab.models.gguf import pre_tokenizers
from optlab.models.gguf.file import GGUFFile
from optlab.models.hub_config import HubConfig

if TYPE_CHECKING:
    from tokenizers import Tokenizer

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
"""llama.cpp's types of tokens. Control tokens are never met in a text, user-defined ones before merging."""
SPACE = "\u2581"
"""What SentencePiece writes for a space."""
OTHER_KINDS = {
    "bert": "WordPiece", "t5": "SentencePiece Unigram", "rwkv": "RWKV", "plamo2": "PLaMo 2", "gemma4": "Gemma 4",
}  # fmt: skip
ROLES = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding", "sep": "seperator", "mask": "mask"}
"""The hub's word for a token -> llama.cpp's ("seperator" is spelled so there)."""
SENTENCEPIECE_IDS = {"unk": 0, "bos": 1, "eos": 2}


def build(file: GGUFFile) -> tuple[Tokenizer, HubConfig]:
    """(tokenizer, the hub's tokenizer_config.json). Raises ModelError when it cannot be built from the file."""
    kind = file.value("tokenizer.ggml.model")
    if kind in (None, "none", "no_vocab") or "tokenizer.ggml.tokens" not in file.values:
        raise ModelError(
            "{file} holds no tokenizer, so no text can be read; make it with its vocabulary",
            file=file.path.name,
        )
    if kind not in ("gpt2", "llama"):
        raise ModelError(
            "{file} has a tokenizer of kind {kind!r} ({what}), which is not read here; byte-level BPE and "
            "SentencePiece BPE are",
            file=file.path.name,
            kind=kind,
            what=OTHER_KINDS.get(kind, "?"),
        )
    vocabulary = Vocabulary(file)
    tokenizer = byte_level(file, vocabulary) if kind == "gpt2" else sentencepiece(file, vocabulary)
    from tokenizers import AddedToken

    special = [i for i, type in enumerate(vocabulary.types) if type in (CONTROL, UNKNOWN)]
    own = [i for i, type in enumerate(vocabulary.types) if type == USER_DEFINED]
    tokenizer.add_special_tokens([AddedToken(vocabulary.pieces[i], special=True, normalized=False) for i in special])
    tokenizer.add_tokens([AddedToken(vocabulary.pieces[i], normalized=False) for i in own])
    bos, eos = _added(file, vocabulary, "bos"), _added(file, vocabulary, "eos")
    if bos is not None or eos is not None:
        tokenizer.post_processor = _around(vocabulary, bos, eos)
    return tokenizer, _settings(file, vocabulary, bos, eos)


class Vocabulary:
    """Pieces, their types and the ids of special tokens. Raises ModelError when they do not fit together."""

    def __init__(self, file: GGUFFile) -> None:
        self.name = file.path.name
        self.pieces = [piece or f"[EMPTY_{i}]" for i, piece in enumerate(file.value("tokenizer.ggml.tokens"))]
        self.types = file.value("tokenizer.ggml.token_type") or [NORMAL] * len(self.pieces)
        self.ids = {piece: i for i, piece in enumerate(self.pieces)}
        if len(self.types) != len(self.pieces):
            raise ModelError(
                "{file} is damaged: {piece_count} tokens have {type_count} types",
                file=self.name,
                piece_count=len(self.pieces),
                type_count=len(self.types),
            )
        if len(self.ids) != len(self.pieces):
            twice = next(piece for i, piece in enumerate(self.pieces) if self.ids[piece] != i)
            raise ModelError(
                "{file} spells two tokens {twice!r}, which no tokenizer can tell apart",
                file=self.name,
                twice=twice,
            )
        defaults = SENTENCEPIECE_IDS if file.value("tokenizer.ggml.model") == "llama" else {}
        found = {role: file.value(f"tokenizer.ggml.{key}_token_id", defaults.get(role)) for role, key in ROLES.items()}
        self.special = {
            role: number for role, number in found.items() if isinstance(number, int) and 0 <= number < len(self.pieces)
        }


def _added(file: GGUFFile, vocabulary: Vocabulary, role: str) -> int | None:
    """The id of BOS or EOS when every text gets it, else None."""
    said = file.value(f"tokenizer.ggml.add_{role}_token")
    if said is None:
        sentencepiece_kind = file.value("tokenizer.ggml.model") == "llama"
        splitting = pre_tokenizers.SPLITTINGS.get(file.value("tokenizer.ggml.pre", "default"))
        said = role == "bos" and (sentencepiece_kind or (splitting is not None and splitting.add_bos))
        return vocabulary.special.get(role) if said else None
    if said and role not in vocabulary.special:
        raise ModelError(
            "{file} says that every text gets {role} (tokenizer.ggml.add_{key}_token), but not which token "
            "that is (tokenizer.ggml.{key}_token_id)",
            file=vocabulary.name,
            role=role.upper(),
            key=role,
        )
    return vocabulary.special[role] if said else None


def _around(vocabulary: Vocabulary, bos: int | None, eos: int | None) -> Any:
    from tokenizers.processors import TemplateProcessing

    tokens = [(vocabulary.pieces[i], i) for i in (bos, eos) if i is not None]
    before = [] if bos is None else [vocabulary.pieces[bos]]
    after = [] if eos is None else [vocabulary.pieces[eos]]
    pair = [f"{part}:{number}" for number, text in ((0, "$A"), (1, "$B")) for part in (*before, text, *after)]
    return TemplateProcessing(single=[*before, "$A", *after], pair=pair, special_tokens=tokens)


def byte_level(file: GGUFFile, vocabulary: Vocabulary) -> Tokenizer:
    """Byte-level BPE as GPT-2's: merges, and a pre-tokenizer by its name."""
    from tokenizers import Tokenizer, decoders, models

    try:
        splitting = pre_tokenizers.named(file.value("tokenizer.ggml.pre", "default"))
    except ModelError as error:
        raise ModelError("{file} cannot be read: {error}", file=vocabulary.name, error=error) from None
    merges = []
    for merge in file.value("tokenizer.ggml.merges") or ():
        place = merge.find(" ", 1)
        merges.append((merge[:place], merge[place + 1 :]) if place > 0 else (merge, ""))
    if not merges:
        raise ModelError("{file} has a BPE tokenizer without merges; make it again", file=vocabulary.name)
    try:
        tokenizer = Tokenizer(models.BPE(vocabulary.ids, merges, ignore_merges=splitting.ignore_merges))
    except Exception:  # tokenizers raises nothing narrower, for instance for a merge of unknown pieces
        raise ModelError(
            "{file} is damaged: its vocabulary and its merges do not fit together", file=vocabulary.name
        ) from None
    tokenizer.pre_tokenizer = pre_tokenizers.build(splitting)
    if splitting.nfc:
        tokenizer.normalizer = pre_tokenizers.normalizer(splitting)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def sentencepiece(file: GGUFFile, vocabulary: Vocabulary) -> Tokenizer:
    """SentencePiece BPE: of two neighbours whose joined piece has the best score, merge first; bytes for the rest."""
    from tokenizers import Tokenizer, decoders, models, normalizers

    merges = merges_by_score(file, vocabulary)
    unknown = vocabulary.special.get("unk")
    all_bytes = all(f"<0x{byte:02X}>" in vocabulary.ids for byte in range(256))
    tokenizer = Tokenizer(
        models.BPE(
            vocabulary.ids, merges, unk_token=None if unknown is None else vocabulary.pieces[unknown], fuse_unk=True,
            byte_fallback=all_bytes,
        )
    )  # fmt: skip
    prefix = bool(file.value("tokenizer.ggml.add_space_prefix", True))
    spaces = normalizers.Replace(" ", SPACE)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), spaces]) if prefix else spaces
    steps = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if prefix else steps)
    return tokenizer


def merges_by_score(file: GGUFFile, vocabulary: Vocabulary) -> list[tuple[str, str]]:
    """Every way to put a piece together from two others, the best score first: SentencePiece's order as BPE's ranks."""
    scores = file.value("tokenizer.ggml.scores") or []
    if len(scores) < len(vocabulary.pieces):
        raise ModelError(
            "{file} has {score_count} scores for {piece_count} tokens; make it again",
            file=vocabulary.name,
            score_count=len(scores),
            piece_count=len(vocabulary.pieces),
        )
    if not all(map(math.isfinite, scores)):
        raise ModelError("{file} is damaged: a score of its tokens is not a number", file=vocabulary.name)
    mergeable = {
        piece: i
        for piece, i in vocabulary.ids.items()
        if vocabulary.types[i] not in (CONTROL, UNKNOWN, BYTE)
    }  # fmt: skip
    made = [i for piece, i in mergeable.items() if len(piece) > 1 and vocabulary.types[i] == NORMAL]
    if len(made) > 1 and len({scores[i] for i in made}) == 1:
        raise ModelError(
            "{file} gives all pieces the same score (tokenizer.ggml.scores), so the order in which they are "
            "merged is not known",
            file=vocabulary.name,
        )
    found: list[tuple[float, int, int, str, str]] = []
    for piece, number in mergeable.items():
        for place in range(1, len(piece)):
            left, right = piece[:place], piece[place:]
            if left in mergeable and right in mergeable:
                found.append((-scores[number], mergeable[left], mergeable[right], left, right))
    found.sort(key=lambda merge: merge[:3])
    return [merge[3:] for merge in found]


def _settings(file: GGUFFile, vocabulary: Vocabulary, bos: int | None, eos: int | None) -> HubConfig:
    template = file.value("tokenizer.chat_template")
    settings: HubConfig = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": file.count("context_length", 2048),
        "clean_up_tokenization_spaces": False,
        "add_bos_token": bos is not None,
        "add_eos_token": eos is not None,
        "chat_template": template if isinstance(template, str) else None,
    }
    for role, number in vocabulary.special.items():
        settings[f"{role}_token"] = vocabulary.pieces[number]
    return {key: value for key, value in settings.items() if value is not None}
