"""What OptLab keeps for itself, with checksums: believed only as it was written.

A disk, a copy or a person can change a kept file so that it still opens: 64 other bytes in a calibration file once gave
a wrong perplexity that looked like any other. Everything below OPTLAB_HOME that can be made again is therefore written
with SHA-256 sums, in the format that `sha256sum -c` checks, and compared when it is read. The name of a kept thing is
the key of what it answers, so it stands beside the sums: a sound file under another's name is a wrong answer. What does
not agree is thrown away and made again.

Files are hashed once per process and state on the disk (size, inode, both times), at more than a gigabyte a second.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from optlab import files

CHECKSUMS = "checksums.sha256"
"""In a folder; beside a single file it is that file's name and `.sha256`."""

NAMED = "# "
"""Begins the line that names what the sums are of; a comment to `sha256sum`. Sums of before have none."""

log = logging.getLogger(__name__)
_believed: set[tuple[object, ...]] = set()


@contextmanager
def building(target: Path, replace: bool = False) -> Iterator[Path]:
    """`files.building`, and the folder's checksums in it. Raises OSError."""
    with files.building(target, replace) as unfinished:
        yield unfinished
        listed = [(_digest(file), file.relative_to(unfinished).as_posix()) for file in _files(unfinished)]
        _write(unfinished / CHECKSUMS, target, listed)


@contextmanager
def writing(target: Path) -> Iterator[Path]:
    """`files.writing`, and the file's checksum beside it. Raises OSError."""
    with files.writing(target) as unfinished:
        yield unfinished
        # first, so that a process killed in between leaves a file that is not believed
        _write(_beside(target), target, [(_digest(unfinished), target.name)])


def reseal(folder: Path, changed: Collection[str]) -> None:
    """Take the checksums of these files of a folder anew, and forget those of files that are gone; all others stay.

    Until then the folder is not believed. A folder that has no checksums gets none. Raises OSError.
    """
    sums = folder / CHECKSUMS
    if not sums.is_file():
        return
    listed = {name: digest for digest, name in _listed(sums, folder)}
    for name in changed:
        listed.pop(name, None)
        if (folder / name).is_file():
            listed[name] = _digest(folder / name)
    _write(sums, folder, [(digest, name) for name, digest in listed.items()])


def write_json(target: Path, data: Any) -> None:
    """A small JSON file that holds its own checksum and its name. Raises OSError."""
    text = json.dumps(data)
    digest = hashlib.sha256(text.encode()).hexdigest()
    files.write_json(target, {"sha256": digest, "name": _name(target), "text": text})


def read_json(path: Path) -> Any:
    """What `write_json` wrote, None where there is nothing or something else, which is removed."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        own = kept.get("name", _name(path)) == _name(path)  # those of before have none
        if own and hashlib.sha256(kept["text"].encode()).hexdigest() == kept["sha256"]:
            return json.loads(kept["text"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    discard(path)
    return None


def intact(path: Path) -> bool:
    """Whether a folder or file is there as `building` or `writing` left it; one that is not is thrown away, and the
    log says so."""
    if not os.path.lexists(path):
        return False
    folder, sums = (path, path / CHECKSUMS) if path.is_dir() else (path.parent, _beside(path))
    there = {file.relative_to(path).as_posix() for file in _files(path)} if path.is_dir() else {path.name}
    try:
        listed = _listed(sums, path)
        # all that is there: a list that lost its end would vouch for nothing of the rest
        whole = {name for _, name in listed} == there - {CHECKSUMS} and not path.is_symlink()
        if listed and whole and all(_is_as_written(folder / name, digest) for digest, name in listed):
            with suppress(OSError):  # its time is that of the last use; a disk that is read-only keeps none
                os.utime(sums)
            return True
    except (OSError, ValueError):
        pass
    discard(path)
    return False


def adopt(path: Path) -> None:
    """Give a file that was kept before such files had checksums its own; one that has them stays as it is."""
    if path.is_file() and not _beside(path).exists():
        with suppress(OSError):  # a disk that is full or read-only: it is believed once more without
            _write(_beside(path), path, [(_digest(path), path.name)])


def last_used(path: Path) -> float:
    """When a kept folder or file was last found intact, else written; seconds since 1970. Raises OSError."""
    sums = path / CHECKSUMS if path.is_dir() else _beside(path)
    return max(one.lstat().st_mtime for one in (path, sums) if os.path.lexists(one))


def remove(path: Path) -> None:
    """Delete a kept file and its checksum. Raises OSError."""
    path.unlink(missing_ok=True)
    _beside(path).unlink(missing_ok=True)


def discard(path: Path) -> None:
    """Throw away a folder or file, and its checksum. What cannot be removed stays, and is not believed next time."""
    log.warning("%s is damaged, or older than its checksums; it is thrown away and made again", path)
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            remove(path)


def _listed(sums: Path, of: Path) -> list[tuple[str, str]]:
    """(digest, name) of each file. of: whose sums they are. Raises OSError, ValueError where they are another's."""
    found = []
    for line in sums.read_text(encoding="utf-8").splitlines():
        if line.startswith(NAMED):
            if line != f"{NAMED}{_name(of)}":
                raise ValueError(line)
            continue
        digest, name = line.split("  ", 1)
        found.append((digest, name))
    return found


def _write(sums: Path, of: Path, listed: Iterable[tuple[str, str]]) -> None:
    lines = (f"{digest}  {name}\n" for digest, name in listed)
    files.write_text(sums, "".join([f"{NAMED}{_name(of)}\n", *lines]))


def _name(path: Path) -> str:
    """Of something kept, wherever OPTLAB_HOME lies."""
    return f"{path.parent.name}/{path.name}"


def _is_as_written(path: Path, digest: str) -> bool:
    seen = (str(path), files.version(path), digest)
    if seen in _believed:
        return True
    if _digest(path) != digest:
        return False
    _believed.add(seen)
    return True


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")
