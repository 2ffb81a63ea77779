"""A token that is only part of a character is shown as its bytes, never as a box."""

from __future__ import annotations

from optlab.lessons import tokens
from optlab.lessons.weights import Weights
from optlab.models.token_bytes import byte_letters, spelled


def test_no_token_of_the_vocabulary_is_a_box(nano: Weights) -> None:
    shown = tokens.spelled(nano, list(range(len(nano.tokenizer))))
    assert not any("\N{REPLACEMENT CHARACTER}" in token for token in shown)


def test_letters_of_byte_level_tokens_are_all_bytes_once() -> None:
    assert sorted(byte_letters().values()) == list(range(256))


def test_a_part_of_a_character_is_its_bytes_and_what_is_whole_is_text(nano: Weights) -> None:
    backend = nano.tokenizer.backend.pre_tokenizer
    for text in (" the", "naïve", "→"):
        ((spelling, _place),) = backend.pre_tokenize_str(text)
        assert spelled(spelling) == text
        assert spelled(spelling[:-1]).startswith(text[:-1])
    assert spelled("âĨ") == "\\xe2\\x86"
    assert spelled("<unk> é日") == "<unk> é日"
