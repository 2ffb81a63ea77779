"""Kept files are damaged at places drawn by chance; none is believed, and what is made of them is as before.

`OPTLAB_CHAOS=100` damages a hundred (`make chaos` does).
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable
from pathlib import Path

from optlab.models.catalog import resolve
from optlab.models.describe import describe
from tests.models.ggufs import write_gguf
from tests.tiny import tiny_model_folder

DAMAGES = int(os.environ.get("OPTLAB_CHAOS", "12"))
KINDS = ("models", "descriptions", "fingerprints")


def damage(file: Path, chance: random.Random) -> str:
    """Flip some bits, cut the end off, or empty the file; which, in a word."""
    data = bytearray(file.read_bytes())
    how = chance.choice(["flipped", "flipped", "cut", "emptied"])
    if how == "flipped" and data:
        for _ in range(chance.choice([1, 64])):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    else:
        data = data[: chance.randrange(len(data))] if how == "cut" and data else bytearray()
    file.write_bytes(data)
    return how


def contents(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir() if file.is_file()}


def test_what_is_damaged_is_made_again(
    home: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    source = str(write_gguf(tiny_model_folder("llama", tmp_path / "hub"), tmp_path / "m.gguf"))
    description, converted = describe(source), resolve(source)
    whole = contents(converted)
    chance = random.Random(22)
    believed = []
    for _ in range(DAMAGES):
        kept = sorted(
            file for kind in KINDS for file in (home / kind).rglob("*") if file.is_file() and file.suffix != ".lock"
        )
        file = chance.choice(kept)
        how = damage(file, chance)
        if describe(source) != description or contents(resolve(source)) != whole:
            believed.append(f"{file}, {how}")
    record_property("caches damaged", DAMAGES)
    record_property("damaged caches believed", len(believed))
    assert believed == []
