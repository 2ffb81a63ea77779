"""Tokenizers out of GGUF files, against the regex module, llama.cpp's algorithm for SentencePiece, and transformers."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import pytest
import regex
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from optlab.errors import ModelError
from optlab.models.catalog import resolve
from optlab.models.gguf import pre_tokenizers
from optlab.models.tokenizer import Tokenizer
from tests.models.gguf.written import CASES, make, write
from tests.tiny import TEXT

HARD = (
    "I'LL say: it's 3.14, 12345 or 1,234,567!\r\n\n  Two  spaces\tand a tab;naïve  façade  \n"
    "深度学习 2024年 日本語テキスト かな カナ 한국어 Ελληνικά Кириллица हिन्दी العربية ÇaVa iPhone HTTPServer\n"
    "x=y+1; // comment_with_underscores $100 ^~|` «quotes» “curly” … \u00a0end \n\n\n"
)


def pieces(name: str, text: str) -> list[str]:
    """How a pre-tokenizer splits a text, as text."""
    found = pre_tokenizers.build(pre_tokenizers.named(name)).pre_tokenize_str(text)
    return [text[start:end] for _, (start, end) in found]


def split_by(patterns: tuple[str, ...], text: str) -> list[str]:
    """The same, by the regex module: one expression after another cuts every piece at its matches."""
    found = [text]
    for pattern in patterns:
        cut: list[str] = []
        for piece in found:
            at = 0
            for match in regex.finditer(pattern.replace(r"\s+$", r"\s+(?=\n|\Z)"), piece):
                cut += [piece[at : match.start()], match.group()]
                at = match.end()
            cut.append(piece[at:])
        found = [piece for piece in cut if piece]
    return found


@pytest.mark.parametrize("name", pre_tokenizers.SPLITTINGS)
def test_a_pre_tokenizer_splits_as_its_expressions_say(name: str) -> None:
    assert pieces(name, HARD) == split_by(pre_tokenizers.named(name).patterns, HARD)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt-2", ["It", "'s", " 12345", "  ", " ok"]),
        ("smollm", ["It", "'s", " ", "1", "2", "3", "4", "5", "  ", " ok"]),
        ("llama-bpe", ["It", "'s", " ", "123", "45", "  ", " ok"]),
        ("qwen2", ["It", "'s", " ", "1", "2", "3", "4", "5", "  ", " ok"]),
        ("tekken", ["It", "'s", " ", "1", "2", "3", "4", "5", "  ", " ok"]),
        ("gpt-4o", ["It's", " ", "123", "45", "  ", " ok"]),
        ("deepseek-llm", ["It", "'", "s", " ", "12345", "  ", " ok"]),
        ("deepseek-coder", ["It", "'", "s", " ", "1", "2", "3", "4", "5", "  ", " ok"]),
        ("falcon", ["It", "'", "s", " ", "123", "45", "  ", " ok"]),
        ("default", ["It", "'", "s", " ", "123", "45", "  ", " ok"]),
    ],
)
def test_known_splits(name: str, expected: list[str]) -> None:
    assert pieces(name, "It's 12345   ok") == expected


@pytest.mark.parametrize("name", [name for name in pre_tokenizers.SPLITTINGS if name != "default"])
def test_a_splitting_is_found_again_by_its_rule(name: str) -> None:
    splitting = pre_tokenizers.named(name)
    backend = tokenizers.Tokenizer(tokenizers.models.BPE(ignore_merges=splitting.ignore_merges))
    backend.pre_tokenizer = pre_tokenizers.build(splitting)
    if splitting.nfc:
        backend.normalizer = pre_tokenizers.normalizer(splitting)
    again = pre_tokenizers.named(pre_tokenizers.name_of(json.loads(backend.to_str())))
    assert (again.patterns, again.ignore_merges, again.nfc) == (
        splitting.patterns, splitting.ignore_merges, splitting.nfc,
    )  # fmt: skip


def converted(folder: Path, more: Callable[[gguf.GGUFWriter], None], pre: str = "gpt-2") -> Path:
    case = CASES["llama"]
    model = make(case, folder / "source")
    return resolve(str(write(model, case, folder / "source", folder / "m.gguf", more=more, pre=pre)))


@pytest.mark.parametrize(
    ("pre", "said", "begins"),
    [("gpt-2", None, False), ("gpt-2", True, True), ("llama-bpe", None, True), ("llama-bpe", False, False)],
)
def test_bos_is_added_as_llama_cpp_decides_it(tmp_path: Path, pre: str, said: bool | None, begins: bool) -> None:
    folder = converted(tmp_path, lambda writer: None if said is None else writer.add_add_bos_token(said), pre)
    written = json.loads((folder / "tokenizer_config.json").read_text())
    assert written["add_bos_token"] is begins
    ids = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")).encode("The dog").ids
    assert (ids[0] == 1) is begins
    import transformers

    assert transformers.AutoTokenizer.from_pretrained(folder)("The dog").input_ids == ids
    assert Tokenizer.from_folder(folder).framing("causal").before == ((1,) if begins else ())


def test_eos_is_added_when_the_file_says_so(tmp_path: Path) -> None:
    folder = converted(tmp_path, lambda writer: writer.add_add_eos_token(True))
    import transformers

    assert json.loads((folder / "tokenizer_config.json").read_text())["add_eos_token"] is True
    assert transformers.AutoTokenizer.from_pretrained(folder)("The dog").input_ids[-1] == 1


def test_the_chat_template_and_the_roles_are_kept(tmp_path: Path) -> None:
    folder = converted(tmp_path, lambda writer: (writer.add_chat_template("{{ x }}"), writer.add_pad_token_id(0))[1])
    written = json.loads((folder / "tokenizer_config.json").read_text())
    assert (written["chat_template"], written["pad_token"], written["eos_token"]) == ("{{ x }}", "[PAD]", "<|end|>")


BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def sentencepiece_vocabulary() -> tuple[list[str], list[float], list[int]]:
    """Pieces as SentencePiece trains them: bytes, letters, then merged pairs of TEXT, better ones first."""
    words = [f"▁{word}" for word in TEXT.split()]
    made: dict[str, int] = {}
    for word in words:
        for start in range(len(word)):
            for end in range(start + 2, min(len(word), start + 5) + 1):
                made[word[start:end]] = made.get(word[start:end], 0) + 1
    merged = sorted(made, key=lambda piece: (-made[piece], len(piece), piece))[:400]
    letters = sorted({letter for word in words for letter in word} - set(merged))
    tokens = ["<unk>", "<s>", "</s>", *BYTES, *merged, *letters, "<tool>"]
    types = [2, 3, 3, *[6] * 256, *[1] * (len(merged) + len(letters)), 4]
    return tokens, [-float(i) for i in range(len(tokens))], types


def llama_cpp_sentencepiece(text: str, tokens: list[str], scores: list[float], prefix: bool) -> list[int]:
    """llm_tokenizer_spm of llama.cpp: merge the neighbours whose joined piece scores best, the leftmost of equals."""
    ids = {token: i for i, token in enumerate(tokens)}
    symbols = list((" " + text if prefix else text).replace(" ", "▁"))
    while True:
        joined = [(scores[ids[a + b]], -i) for i, (a, b) in enumerate(itertools.pairwise(symbols)) if a + b in ids]
        if not joined:
            break
        place = -max(joined)[1]
        symbols[place : place + 2] = ["".join(symbols[place : place + 2])]
    found: list[int] = []
    for symbol in symbols:
        found += [ids[symbol]] if symbol in ids else [ids[f"<0x{byte:02X}>"] for byte in symbol.encode()]
    return found


def sentencepiece_folder(folder: Path, prefix: bool | None = None, scores: list[float] | None = None) -> Path:
    tokens, own, types = sentencepiece_vocabulary()
    case = CASES["llama"]
    model = make(case, folder / "source", vocab_size=len(tokens))
    backend = tokenizers.Tokenizer(tokenizers.models.BPE())
    backend.save(str(folder / "source" / "tokenizer.json"))

    def add(writer: gguf.GGUFWriter) -> None:
        for key in [key for key in writer.kv_data[0] if key.startswith("tokenizer.")]:
            del writer.kv_data[0][key]
        writer.add_tokenizer_model("llama")
        writer.add_token_list(tokens)
        writer.add_token_scores(own if scores is None else scores)
        writer.add_token_types(types)
        if prefix is not None:
            writer.add_add_space_prefix(prefix)

    return resolve(str(write(model, case, folder / "source", folder / "m.gguf", more=add)))


@pytest.mark.parametrize("prefix", [None, True, False])
def test_sentencepiece_merges_as_llama_cpp_does(tmp_path: Path, prefix: bool | None) -> None:
    tokenizer = Tokenizer.from_folder(sentencepiece_folder(tmp_path, prefix))
    tokens, scores, _ = sentencepiece_vocabulary()

    @settings(max_examples=150, deadline=None)
    @given(
        st.lists(st.sampled_from([*TEXT.split(), "  ", "\n", "é", "中", "the theme", "x"]), min_size=1).map(" ".join)
    )
    def same(text: str) -> None:
        expected = llama_cpp_sentencepiece(text, tokens, scores, prefix is not False)
        assert tokenizer.encode(text) == expected
        assert tokenizer.decode(expected) == text

    same()


def test_sentencepiece_begins_with_bos_and_knows_its_roles(tmp_path: Path) -> None:
    folder = sentencepiece_folder(tmp_path)
    tokenizer = Tokenizer.from_folder(folder)
    assert tokenizer.framing("causal").before == (1,)
    assert [tokenizer.special_id(role) for role in ("unk", "bos", "eos")] == [0, 1, 2]
    assert tokenizer.encode("a<tool>b")[-2] == len(sentencepiece_vocabulary()[0]) - 1
    assert tokenizer._plain.encode_with_control("<s>").ids[-1] == 1


def test_pieces_without_scores_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="gives all pieces the same score"):
        sentencepiece_folder(tmp_path, scores=[0.0] * len(sentencepiece_vocabulary()[0]))


def test_a_score_that_is_no_number_is_refused(tmp_path: Path) -> None:
    count = len(sentencepiece_vocabulary()[0])
    with pytest.raises(ModelError, match="a score of its tokens is not a number"):
        sentencepiece_folder(tmp_path, scores=[-float(i) for i in range(count - 1)] + [float("nan")])


def without(key: str) -> Callable[[gguf.GGUFWriter], None]:
    return lambda writer: writer.kv_data[0].pop(key) and None


def replaced(key: str, value: Any) -> Callable[[gguf.GGUFWriter], None]:
    def change(writer: gguf.GGUFWriter) -> None:
        del writer.kv_data[0][key]
        (writer.add_array if isinstance(value, list) else writer.add_string)(key, value)

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (without("tokenizer.ggml.tokens"), "m.gguf holds no tokenizer"),
        (without("tokenizer.ggml.model"), "m.gguf holds no tokenizer"),
        (without("tokenizer.ggml.merges"), "a BPE tokenizer without merges"),
        (replaced("tokenizer.ggml.model", "bert"), r"tokenizer of kind 'bert' \(WordPiece\)"),
        (replaced("tokenizer.ggml.model", "t5"), r"tokenizer of kind 't5' \(SentencePiece Unigram\)"),
        (replaced("tokenizer.ggml.model", "rwkv"), r"tokenizer of kind 'rwkv' \(RWKV\)"),
        (replaced("tokenizer.ggml.pre", "made-up"), r"its pre-tokenizer 'made-up' \(tokenizer\.ggml\.pre\)"),
        (replaced("tokenizer.ggml.merges", ["zz qq"]), "its vocabulary and its merges do not fit together"),
        (replaced("tokenizer.ggml.tokens", ["a"] * 160), "spells two tokens 'a'"),
        (replaced("tokenizer.ggml.token_type", [1, 1]), "160 tokens have 2 types"),
    ],
)
def test_a_tokenizer_that_cannot_be_right_is_refused(
    tmp_path: Path, change: Callable[[gguf.GGUFWriter], None], sentence: str
) -> None:
    with pytest.raises(ModelError, match=sentence):
        converted(tmp_path, change)
