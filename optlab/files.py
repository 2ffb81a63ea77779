"""Files and folders that are there as a whole or not at all, whatever ends the process that writes them.

Everything is written beside its place, brought to the disk, and moved there in one step. Whoever reads sees what was
there before or all that is new, also after a power cut; two processes that write the same do not mix. The folder around
a place must exist.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from optlab.messages import say

JsonObject = dict[str, Any]
"""A JSON object whose keys somebody else defines: a tokenizer, a header of safetensors, a file of another version."""


FULL = ("no space left", "requested and", "quota exceeded", "disk is full")
"""Words of libraries that keep no error number: safetensors, numpy of a file that it could write in part, SQLite."""
SYSTEM = ("/proc", "/sys", "/dev")
"""What the system makes up when it is read; parts of it tell of this process or never end."""


def reason(error: Exception) -> str:
    """Why something could not be written, for the end of a sentence."""
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    if full or any(word in str(error).lower() for word in FULL):
        return say("the disk is full")
    return getattr(error, "strerror", None) or str(error)


@contextmanager
def writing(target: Path) -> Iterator[Path]:
    """`with writing(target) as unfinished`: write a file there; it becomes `target` if the block ends well.

    unfinished: not there yet, of the same name as `target`, in an empty folder that others may be written into too. An
    older file is replaced. Raises OSError.
    """
    with _beside(target) as folder:
        unfinished = folder / target.name
        yield unfinished
        put(unfinished, target)


@contextmanager
def building(target: Path, replace: bool = False) -> Iterator[Path]:
    """As `writing`, for a folder: the block gets an empty one to fill.

    A folder that is there already makes way with `replace`; without, it stays and the new one goes, because another
    process has built the same meanwhile. Raises OSError.
    """
    with _beside(target) as folder:
        unfinished = folder / "new"
        unfinished.mkdir()
        yield unfinished
        if replace and target.is_dir():
            os.replace(target, folder / "old")
        try:
            put(unfinished, target)
        except OSError:
            if replace or not target.is_dir():
                raise


def put(unfinished: Path, target: Path) -> None:
    """Bring a file, or a folder with all it holds, to the disk, and then move it to `target` on the same disk."""
    for path in (unfinished, *unfinished.rglob("*")):
        _to_disk(path)
    os.replace(unfinished, target)
    _to_disk(target.parent)


def link(source: Path, target: Path) -> None:
    """A file that is also at `target`: one more name for it, or a copy where the disk has no such names. Raises
    OSError."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def write_bytes(target: Path, data: bytes) -> None:
    """A file that holds `data`. Raises OSError."""
    with writing(target) as unfinished:
        unfinished.write_bytes(data)


def write_text(target: Path, text: str) -> None:
    """A file that holds `text`, UTF-8. Raises OSError."""
    write_bytes(target, text.encode("utf-8"))


def write_json(target: Path, data: Any, indent: int | None = None) -> None:
    """A file that holds `data` as JSON. indent: spaces a level, for people. Raises OSError."""
    write_text(target, json.dumps(data, indent=indent) + ("\n" if indent else ""))


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A hidden folder on the same disk as `target`, gone afterwards with what is left in it."""
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}-unfinished-", dir=target.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _to_disk(path: Path) -> None:
    if path.is_dir() and os.name == "nt":  # Windows opens no folders, and brings their entries to the disk by itself
        return
    # Not every file system can; what it cannot promise, it does not.
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def is_regular(path: Path) -> bool:
    """Whether it is a regular file on a disk: reading any other (a pipe, a device, /proc) may never end. Raises
    OSError."""
    system = tuple(f"{root}/" for root in SYSTEM)
    return stat.S_ISREG(path.stat().st_mode) and not str(path.resolve()).startswith(system)


def version(file: Path) -> tuple[int, int, int, int]:
    """(size, time of the contents, time of the last change of anything, inode): another one whenever the contents are.

    Archives, Nix and rsync set the second; no program can set the third back. Raises OSError.
    """
    state = file.stat()
    return state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino
