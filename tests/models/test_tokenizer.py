"""Nothing is added, nothing is cut, and what cannot be encoded is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend
from tokenizers import processors

from optlab.errors import ModelError, TextError
from optlab.models.tokenizer import Tokenizer
from tests.tiny import TEXT, VOCABULARY, write_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder)
    return Tokenizer.from_folder(folder)


def test_truncation_padding_and_added_tokens_of_the_file_are_ignored(tmp_path: Path) -> None:
    write_tokenizer(tmp_path)
    plain = Tokenizer.from_folder(tmp_path).encode(TEXT)
    backend = Backend.from_file(str(tmp_path / "tokenizer.json"))
    backend.enable_truncation(8)
    backend.enable_padding(length=500)
    backend.post_processor = processors.TemplateProcessing(single="<|end|> $A", special_tokens=[("<|end|>", 1)])
    backend.save(str(tmp_path / "tokenizer.json"))
    assert backend.encode(TEXT).ids != plain
    assert Tokenizer.from_folder(tmp_path).encode(TEXT) == plain


@given(words=st.lists(st.sampled_from(sorted(set(TEXT))), max_size=40))
def test_text_of_known_characters_survives(tokenizer: Tokenizer, words: list[str]) -> None:
    text = "".join(words)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_special_tokens_are_found_by_role(tokenizer: Tokenizer) -> None:
    assert {role: tokenizer.special_id(role) for role in ("pad", "eos", "mask", "cls")} == {
        "pad": 0, "eos": 1, "mask": 2, "cls": None,
    }  # fmt: skip
    assert tokenizer.token(1) == "<|end|>"
    assert tokenizer.token(10**6) == ""
    assert tokenizer.decode([1], skip_special=True) == ""
    assert 4 < len(tokenizer) <= VOCABULARY


def test_half_of_a_surrogate_pair_is_no_text(tokenizer: Tokenizer) -> None:
    with pytest.raises(TextError, match="not valid Unicode"):
        tokenizer.encode("\ud800")


def test_a_token_without_a_row_is_refused_only_when_it_is_used(tmp_path: Path) -> None:
    write_tokenizer(tmp_path)
    tokenizer = Tokenizer.from_folder(tmp_path)
    rows = len(tokenizer)
    tokenizer.backend.add_tokens(["<late>"])
    tokenizer.fit(rows)
    assert tokenizer.encode("the dog")
    with pytest.raises(TextError, match="<late>"):
        tokenizer.encode("the <late> dog")
    with pytest.raises(ModelError, match="do not belong together"):
        tokenizer.fit(20)


def test_older_vocabulary_files_are_read(tmp_path: Path) -> None:
    write_tokenizer(tmp_path)
    expected = Tokenizer.from_folder(tmp_path).encode(TEXT)
    model = json.loads((tmp_path / "tokenizer.json").read_text())["model"]
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "GPT2Tokenizer"}))
    (tmp_path / "vocab.json").write_text(json.dumps({**model["vocab"], "<|endoftext|>": len(model["vocab"])}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(pair) for pair in model["merges"]))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    assert Tokenizer.from_folder(tmp_path).encode(TEXT) == expected


@pytest.mark.parametrize("text", ["", "{}", "\x80pickle", '{"model": 3}'])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(ModelError, match="is not a tokenizer"):
        Tokenizer.from_folder(tmp_path)


def test_no_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"tokenizer\.json is needed"):
        Tokenizer.from_folder(tmp_path)


def test_the_folder_of_every_family_has_one(tiny: Callable[[str], Path]) -> None:
    bert, gpt2 = (Tokenizer.from_folder(tiny(family)) for family in ("bert", "gpt2"))
    assert bert.encode("the dog") == gpt2.encode("the dog")


def test_a_long_text_is_split_once_and_its_tokens_are_nobody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optlab.models.tokenizer.LONG", 10)
    write_tokenizer(tmp_path)
    tokenizer = Tokenizer.from_folder(tmp_path)
    first = tokenizer.encode(TEXT)
    first.append(-1)
    plain, tokenizer._plain = tokenizer._plain, None  # whoever asks it now fails
    assert tokenizer.encode(TEXT) == first[:-1]
    tokenizer._plain = plain
    tokenizer.fit(len(tokenizer))
    assert not tokenizer._known, "how many rows there are decides whether a text can be read"
