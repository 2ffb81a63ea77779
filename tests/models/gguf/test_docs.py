"""docs/models.md names every architecture and pre-tokenizer that is read, and no others."""

from __future__ import annotations

import re
from pathlib import Path

from optlab.models.gguf.families import ARCHITECTURES, VARIANTS
from optlab.models.gguf.pre_tokenizers import SPLITTINGS

SECTION = (Path(__file__).parents[3] / "docs" / "models.md").read_text(encoding="utf-8").partition("## GGUF files")[2]


def named_between(start: str, end: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", SECTION.partition(start)[2].partition(end)[0]))


def test_architectures_are_listed() -> None:
    assert named_between("**Architectures**", "with experts") == set(ARCHITECTURES) - VARIANTS


def test_pre_tokenizers_are_listed() -> None:
    assert named_between("with the pre-tokenizers", ". Each splits") == set(SPLITTINGS)
