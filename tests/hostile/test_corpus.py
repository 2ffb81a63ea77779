"""Hundreds of small hostile inputs: each ends in a short sentence or a right answer, within 10 seconds and 1 GB."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hostile import of_words, seeds
from tests.hostile.of_models import Inputs, of_model, templates
from tests.hostile.room import RIGHT, Verdict, attempts

WORDS: dict[str, Callable[[], Inputs]] = {
    "recipe": of_words.recipes, "link": of_words.links, "protocol": of_words.protocols, "request": of_words.requests,
    "text": of_words.texts, "project": of_words.projects, "template": templates,
}  # fmt: skip
MODELS = ("gguf", "safetensors", "config", "tokenizer", "tokenizer_settings")
EVERY = 1 if "OPTLAB_HOSTILE_EXAMPLES" in os.environ else 4
"""Of the inputs made by hand: `make hostile` tries all, a quick run every fourth."""
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seeds.base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def sound(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return seeds.of_base(base, tmp_path_factory.mktemp("scratch"))


def judge(verdicts: list[Verdict], record: Record) -> None:
    """Put what was tried into the figures, and fail where something ended badly."""
    for verdict in verdicts:
        record("hostile", verdict.ended)
    bad = [str(verdict) for verdict in verdicts if not verdict.well]
    assert not bad, "\n\n".join(bad)


def test_the_doors_open_to_what_is_sound(base: Path, sound: dict[str, bytes]) -> None:
    verdicts = [verdict for door, data in sound.items() for verdict in attempts(door, [("sound", data)], base)]
    assert [str(verdict) for verdict in verdicts if verdict.ended != RIGHT] == []
    assert {verdict.door for verdict in verdicts} == {*WORDS, *MODELS}


@pytest.mark.parametrize("door", [*WORDS, *MODELS])
def test_what_is_hostile_ends_in_a_sentence(
    door: str, base: Path, sound: dict[str, bytes], record_property: Record
) -> None:
    inputs = WORDS[door]() if door in WORDS else of_model(door, sound[door])
    judge(attempts(door, list(inputs.items())[::EVERY], base), record_property)
