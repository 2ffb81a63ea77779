"""Small tokenizers of the kinds that models come with, trained here, all with the same special tokens."""

from __future__ import annotations

import json

from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

WORDS = "the quick brown fox jumps over the lazy dog, naïve 中文 text; it was the best of times."
SPECIAL = ["<unk>", "<s>", "</s>", "[CLS]", "[SEP]"]


def byte_level() -> Backend:
    made = Backend(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        [WORDS],
        trainers.BpeTrainer(vocab_size=320, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False),
    )
    return made


def sentence_piece_bpe() -> Backend:
    """As Llama 2: one word of the whole text, spaces as low lines, bytes for what is unknown."""
    made = Backend(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    byte_tokens = [f"<0x{number:02X}>" for number in range(256)]
    made.train_from_iterator(
        [WORDS], trainers.BpeTrainer(vocab_size=400, special_tokens=[*SPECIAL, *byte_tokens], show_progress=False)
    )
    description = json.loads(made.to_str())
    description["added_tokens"] = [one for one in description["added_tokens"] if one["content"] in SPECIAL]
    return Backend.from_str(json.dumps(description))


def unigram() -> Backend:
    made = Backend(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    made.train_from_iterator(
        [WORDS], trainers.UnigramTrainer(vocab_size=80, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False)
    )
    return made


def word_piece() -> Backend:
    made = Backend(models.WordPiece(unk_token="<unk>"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.decoder = decoders.WordPiece()
    made.train_from_iterator(
        [WORDS], trainers.WordPieceTrainer(vocab_size=120, special_tokens=SPECIAL, show_progress=False)
    )
    return made


KINDS = {"bytes": byte_level, "sentencepiece": sentence_piece_bpe, "unigram": unigram, "wordpiece": word_piece}
MADE = {name: make() for name, make in KINDS.items()}


def begin_with_bos(backend: Backend) -> Backend:
    """`backend`, made to write "<s>" in front of a text."""
    number = backend.token_to_id("<s>")
    backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", number)])
    return backend
