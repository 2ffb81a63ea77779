"""The bytes of a person's file, unpacked, never more than a text may have."""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from optlab.errors import TextError

LARGEST = 100 << 20
"""Bytes of the longest text that is read, unpacked."""
SYSTEM = ("/proc", "/sys", "/dev")
"""What the system makes up when it is read; parts of it tell of this process or never end."""


def _zstandard(file: Path) -> Any:
    import pyarrow

    return pyarrow.CompressedInputStream(pyarrow.OSFile(str(file)), "zstd")


PACKINGS: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open, ".zst": _zstandard,
}  # fmt: skip
FOREIGN = {
    b"%PDF": "a PDF", b"PK\x03\x04": "a ZIP archive (as .docx, .xlsx and .epub are)", b"GGUF": "a GGUF model",
    b"\x7fELF": "a program", b"\x89PNG": "a picture", b"\xff\xd8\xff": "a picture", b"SQLite format 3": "a database",
    b"Rar!": "a RAR archive", b"7z\xbc\xaf": "a 7z archive", b"\x1f\x8b": "packed by gzip without the ending .gz",
    b"\x28\xb5\x2f\xfd": "packed by Zstandard without the ending .zst", b"PAR1": "Parquet without the ending .parquet",
    b"ARROW1": "an Arrow file", b"\x93NUMPY": "a NumPy array", b"\x80\x04\x95": "a Python pickle",
}  # fmt: skip
"""How files of other kinds begin, so that they are refused by name."""


def regular(path: Path, name: str) -> None:
    """Raises TextError unless `path` is a regular file on a disk, of a size that is read."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode) or str(path.resolve()).startswith(tuple(f"{root}/" for root in SYSTEM)):
        raise TextError("{name} is not a regular file; give the path of a text file", name=name)
    if status.st_size > LARGEST:
        raise TextError(
            "{name} has {size} MB; the largest text that is read has {largest} MB",
            name=name, size=status.st_size >> 20, largest=LARGEST >> 20,
        )  # fmt: skip


def unpacked(path: Path, name: str) -> tuple[bytes, str]:
    """(contents, ending without that of the packing, such as ".jsonl"). Raises TextError."""
    endings = [ending.lower() for ending in path.suffixes]
    packing = PACKINGS.get(endings[-1]) if endings else None
    if packing is not None:
        endings.pop()
    try:
        with packing(path) if packing is not None else path.open("rb") as stream:
            data = bytes(stream.read(LARGEST + 1))
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is damaged"
        raise TextError("{name} cannot be read: {reason}", name=name, reason=reason) from None
    if len(data) > LARGEST:
        raise TextError("{name} unpacks to more than {largest} MB", name=name, largest=LARGEST >> 20)
    for beginning, kind in FOREIGN.items():
        if data.startswith(beginning) and not (kind.startswith("Parquet") and endings[-1:] == [".parquet"]):
            raise TextError("{name} is {kind}; give a text, JSON, CSV or Parquet file", name=name, kind=kind)
    return data, endings[-1] if endings else ""


def decoded(data: bytes, name: str) -> str:
    """UTF-8, or UTF-16 that says so by its byte order mark, as text with line feeds alone. Raises TextError."""
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    if b"\0" in data and not wide:
        raise TextError("{name} contains NUL bytes, so it is not plain text; save it as UTF-8", name=name)
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise TextError(
            "{name} is not UTF-8 text (byte {start}); save it as UTF-8", name=name, start=error.start
        ) from None
    if not text.strip():
        raise TextError("{name} is empty", name=name)
    # As Python's own open() reads a text: with "\r\n" kept, SmolLM2's perplexity of WikiText-2 is 32.50, not 32.33.
    return text.replace("\r\n", "\n").replace("\r", "\n")
