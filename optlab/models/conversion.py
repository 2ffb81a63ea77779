"""A model in another layout, converted once into a folder of OPTLAB_HOME/models; every later load reads that folder.

The folder appears under its final name only when it is complete: it is written beside it and renamed, under a lock
that a second process waits for. A process killed half-way leaves a hidden folder that the next one removes.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from optlab import files, paths, sealed
from optlab.errors import ModelError
from optlab.messages import say
from optlab.progress import Progress

Part = TypeVar("Part")
SHARD_BYTES = 2 << 30
"""Of one safetensors file, about."""

Write = Callable[[Path, Path, Progress], None]
"""Writes the model `source` into an empty folder."""


def place_of(source: Path, parts: Iterable[Path], name: str, version: int | str) -> Path:
    """OPTLAB_HOME/models/<name>-<hash of version, path and the state of all parts of the model on the disk>."""
    said = [files.version(file) for file in parts if file.exists()]
    identity = json.dumps([version, str(source.resolve()), said])
    return paths.folder("models") / f"{name}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def in_files(parts: Iterable[Part], size: Callable[[Part], int]) -> dict[str, list[Part]]:
    """The names of the safetensors files of a checkpoint, and which parts go into each: in order, about `SHARD_BYTES`.

    size: bytes that a part takes.
    """
    shards: list[list[Part]] = [[]]
    held = 0
    for part in parts:
        if held and held + size(part) > SHARD_BYTES:
            shards.append([])
            held = 0
        shards[-1].append(part)
        held += size(part)
    if len(shards) == 1:
        return {"model.safetensors": shards[0]}
    return {f"model-{number:05}-of-{len(shards):05}.safetensors": shard for number, shard in enumerate(shards, start=1)}


def once(target: Path, source: Path, write: Write, progress: Progress) -> Path:
    """`target`, made by `write` when it is not there.

    Raises ModelError when `source` is not sound or the disk is full, Cancelled from `progress`.
    """
    from filelock import FileLock, Timeout

    if sealed.intact(target):
        return target
    lock = FileLock(target.with_name(f".{target.name}.lock"))
    while True:
        try:
            lock.acquire(timeout=0.5)
            break
        except Timeout:
            progress(0.0, say("waiting for another process that is converting {name}", name=source.name))
    try:
        if not sealed.intact(target):
            _make(target, source, write, progress)
    finally:
        lock.release()
    return target


def _make(target: Path, source: Path, write: Write, progress: Progress) -> None:
    for left in target.parent.glob(f".{target.name}-*"):  # of a process that was killed; the lock says it is gone
        shutil.rmtree(left, ignore_errors=True)
    try:
        with sealed.building(target) as half:
            write(source, half, progress)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ModelError(
                "the disk of {parent} is full; converting {name} needs more space",
                parent=target.parent,
                name=source.name,
            ) from None
        raise ModelError(
            "cannot convert {name} into {parent}: {strerror}",
            name=source.name,
            parent=target.parent,
            strerror=error.strerror or error,
        ) from None
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        # metadata that is missing, or not what it says
        raise ModelError("{name} is damaged or incomplete; download or copy it again", name=source.name) from error
