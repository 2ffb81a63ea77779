"""Kept files of every kind are damaged at places drawn by chance; none is believed, and what is made is as before.

`OPTLAB_CHAOS=100` damages a hundred (`make chaos` does).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from tests.chaos.kept import everything
from tests.chaos.size import size

DAMAGES = size(11, 100)
PAGE = 4096


def damage(file: Path, others: list[Path], chance: random.Random) -> str:
    """Do to a file what disks, copies and people do to files; which, in a word."""
    data = bytearray(file.read_bytes())
    kinds = [
        "flipped",
        "flipped",
        "cut",
        "cut after a line",
        "emptied",
        "page of zeros",
        "longer",
        "of another",
        "gone",
    ]
    how = chance.choice(kinds)
    if how == "gone":
        file.unlink()
        return how
    if how == "flipped" and data:
        for _ in range(chance.choice([1, 64])):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif how == "cut" and data:
        del data[chance.randrange(len(data)) :]
    elif how == "cut after a line":
        del data[data.find(b"\n") + 1 :]
    elif how == "page of zeros" and data:
        start = chance.randrange(len(data))
        data[start : start + PAGE] = bytes(len(data[start : start + PAGE]))
    elif how == "longer":
        data += chance.randbytes(chance.choice([1, PAGE]))
    elif how == "of another":
        data = bytearray(chance.choice(others).read_bytes())
    else:
        data.clear()
    file.write_bytes(data)
    return how


def test_what_is_damaged_is_made_again(
    home: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """In turns among the kinds; some files are damaged twice before anybody asks."""
    kept = everything(tmp_path)
    truth = [one.answer() for one in kept]
    assert [one.answer() for one in kept] == truth
    chance = random.Random(22)
    believed = []
    for number in range(DAMAGES):
        one = kept[number % len(kept)]
        files = sorted(file for file in (home / one.kind).rglob("*") if file.is_file() and file.suffix != ".lock")
        file = chance.choice(files)
        how = damage(file, files, chance)
        if chance.random() < 0.25 and file.exists():
            how += f", then {damage(file, files, chance)}"
        if any(other.answer() != true for other, true in zip(kept, truth, strict=True) if other.kind == one.kind):
            believed.append(f"{file}: {how}")
    record_property("caches damaged", DAMAGES)
    record_property("damaged caches believed", len(believed))
    assert believed == []
