"""What OptLab keeps below its home only to be quick: how much it is, what was used last, and what goes first.

Everything named here can be made again. Runs, pasted texts, trainings that can go on and logs are not among it. When
the budget is reached the least recently used go, but nothing that was used within the last hour, which a running worker
may hold open. A symbolic link is never followed: what it leads to is not OptLab's to delete. Torch-free: pages list and
clear it.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from optlab import paths, sealed
from optlab.errors import OptLabError
from optlab.messages import Message, say

GIGABYTE = 1_000_000_000
BUDGET_GB = 20.0
"""Unless OPTLAB_CACHE_GB says otherwise."""
FREE_SHARE = 0.5
"""Of the disk's free room and what is kept already, that the budget never exceeds."""
IN_USE_S = 3600.0

KINDS: dict[str, Message] = {
    "calibration": say("Statistics of calibration texts"),
    "teachers": say("Answers of teachers"),
    "artefacts": say("Packed files of finished runs"),
    "models": say("Converted checkpoints"),
    "probes": say("Probes"),
    "speed": say("Timings of this machine"),
    "sweeps": say("Notes of sweeps"),
    "native": say("Compiled loops"),
    "descriptions": say("Descriptions of models"),
    "fingerprints": say("Fingerprints of models"),
    "memory": say("Memory of originals"),
}
"""Folders below OPTLAB_HOME, the largest first."""
LARGE = ("calibration", "teachers", "artefacts", "models")
"""Those that `trim` takes from; the others are small and cost minutes to make."""


@dataclass(frozen=True)
class Kept:
    """One file or folder. kind: a key of `KINDS`; bytes: on the disk; used: seconds since 1970."""

    kind: str
    path: Path
    bytes: int
    used: float


def kept(kinds: tuple[str, ...] = tuple(KINDS)) -> list[Kept]:
    """Everything that is kept, the least recently used first. Raises OptLabError for a kind that does not exist."""
    found = []
    for kind in kinds:
        if kind not in KINDS:
            raise OptLabError("there is no cache {kind!r}; there are {kinds}", kind=kind, kinds=", ".join(KINDS))
        if kind in linked():
            continue
        for path in paths.folder(kind).iterdir():
            if path.name.startswith(".") or path.suffix in (".lock", ".sha256"):
                continue  # unfinished, a lock, or the checksum of its neighbour
            with suppress(OSError):  # gone since it was listed
                found.append(Kept(kind, path, _size(path), sealed.last_used(path)))
    return sorted(found, key=lambda one: one.used)


def linked() -> tuple[str, ...]:
    """Kinds whose folder is a link to another place: neither listed nor cleared."""
    return tuple(kind for kind in KINDS if (paths.home() / kind).is_symlink())


def budget_bytes() -> int:
    """How much `LARGE` may take. Raises OptLabError when OPTLAB_CACHE_GB is no number."""
    asked = os.environ.get("OPTLAB_CACHE_GB")
    try:
        limit = float(asked) if asked else BUDGET_GB
        if not 0 <= limit < 1e9:
            raise ValueError
    except ValueError:
        raise OptLabError("OPTLAB_CACHE_GB is a number of gigabytes, not {asked!r}", asked=asked) from None
    return int(limit * GIGABYTE)


def trim(keep_bytes: int | None = None, kinds: tuple[str, ...] = LARGE) -> list[Kept]:
    """Throw away the least recently used of `kinds` until no more than `keep_bytes` are left; returns what went.

    keep_bytes: default the budget, and never more than half of what the disk could give.
    """
    everything = kept(kinds)
    total = sum(one.bytes for one in everything)
    if keep_bytes is None:
        keep_bytes = min(budget_bytes(), int(FREE_SHARE * (shutil.disk_usage(paths.home()).free + total)))
    gone = []
    for one in everything:
        if total <= keep_bytes:
            break
        if not _in_use(one) and _remove(one):
            gone.append(one)
            total -= one.bytes
    return gone


def clear(kinds: tuple[str, ...] = tuple(KINDS), spare_used: bool = False) -> list[Kept]:
    """Throw away all of `kinds`; returns what went. spare_used: but for what was used within the last hour, because a
    run computes now that may read it (`optlab.machine.locks.computing`)."""
    return [one for one in kept(kinds) if not (spare_used and _in_use(one)) and _remove(one)]


def _in_use(one: Kept) -> bool:
    return time.time() - one.used < IN_USE_S


def _remove(one: Kept) -> bool:
    try:
        if one.path.is_dir() and not one.path.is_symlink():
            shutil.rmtree(one.path)
        else:
            sealed.remove(one.path)
    except OSError:
        return False
    return True


def _size(path: Path) -> int:
    inside = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
    return sum(_allocated(file) for file in inside if file.is_symlink() or file.is_file())


def _allocated(file: Path) -> int:
    """Bytes that the disk gives: a file of a teacher's answers has holes."""
    state = file.lstat()
    return getattr(state, "st_blocks", -(-state.st_size // 512)) * 512
