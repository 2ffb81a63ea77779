"""Regular expressions that can take for ever are told from those that models have; the corpus tries the rest."""

from __future__ import annotations

import pytest

from optlab.models.gguf.pre_tokenizers import SPLITTINGS
from optlab.models.tokenizer_limits import repeats_a_repetition

GPT_4O = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+", "(?:a*)*", "((ab+c)?)+", "(a+b|c)*", "(a{2,}){3,}", r"(\p{L}+ ?)*", r"([^(]+\))+", "(?=(a+)+;)",
        "(?i:a+)+", "(a+){2,50}", "((((a+))))*", r"([a-z\]]+)*",
    ],
)  # fmt: skip
def test_a_repeated_repetition_is_seen(pattern: str) -> None:
    assert repeats_a_repetition(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "a+b+", "(ab)+", "(a+)?", "(a+){1,3}", r"(\+)+", "([+*])+", "(?>a+)+", "a{1,3}(b|c)*", "", "(", "[", "\\", "{",
        "(a+)b+", GPT_4O,
    ],
)  # fmt: skip
def test_what_repeats_once_is_let_through(pattern: str) -> None:
    assert not repeats_a_repetition(pattern)


@pytest.mark.parametrize("name", SPLITTINGS)
def test_the_expressions_of_models_are_let_through(name: str) -> None:
    assert not any(map(repeats_a_repetition, SPLITTINGS[name].patterns))
