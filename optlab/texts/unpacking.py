"""The bytes of a person's file, unpacked, never more than a text may have."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from optlab import files
from optlab.errors import TextError

LARGEST = 100 << 20
"""Bytes of the longest text that is read, unpacked."""
TAR_MARK = 257
"""Where a tar archive says that it is one."""


def _zstandard(file: Path) -> Any:
    import pyarrow

    return pyarrow.CompressedInputStream(pyarrow.OSFile(str(file)), "zstd")


PACKINGS: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open, ".zst": _zstandard,
}  # fmt: skip
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
"""Byte order marks; that of UTF-32 begins with that of UTF-16."""
FOREIGN = {
    b"%PDF": "a PDF", b"PK\x03\x04": "a ZIP archive (as .docx, .xlsx and .epub are)", b"GGUF": "a GGUF model",
    b"\x7fELF": "a program", b"\x89PNG": "a picture", b"\xff\xd8\xff": "a picture", b"SQLite format 3": "a database",
    b"Rar!": "a RAR archive", b"7z\xbc\xaf": "a 7z archive", b"\x1f\x8b": "packed by gzip without the ending .gz",
    b"\x28\xb5\x2f\xfd": "packed by Zstandard without the ending .zst", b"PAR1": "Parquet without the ending .parquet",
    b"ARROW1": "an Arrow file", b"FEA1": "a Feather file", b"\xff\xff\xff\xff": "an Arrow stream",
    b"ORC": "an ORC file", b"Obj\x01": "an Avro file", b"\x89HDF": "an HDF5 file", b"\x93NUMPY": "a NumPy array",
    b"\x80\x02": "a Python pickle", b"\x80\x03": "a Python pickle", b"\x80\x04": "a Python pickle",
    b"\x80\x05": "a Python pickle", b"\x04\x22M\x18": "packed by LZ4", b"{\\rtf": "an RTF document",
}  # fmt: skip
"""How files of other kinds begin, so that they are refused by name."""


def regular(path: Path, name: str) -> None:
    """Raises TextError unless `path` is a regular file on a disk, of a size that is read."""
    status = path.stat()
    if not files.is_regular(path):
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
    if data[TAR_MARK : TAR_MARK + 5] == b"ustar":
        raise TextError("{name} is {kind}; give a text, JSON, CSV or Parquet file", name=name, kind="a tar archive")
    return data, endings[-1] if endings else ""


def decoded(data: bytes, name: str) -> str:
    """UTF-8, or UTF-16 or UTF-32 with a byte order mark, as text with line feeds alone. Raises TextError."""
    encoding = next((name for mark, name in MARKS.items() if data.startswith(mark)), "utf-8-sig")
    if encoding == "utf-8-sig" and b"\0" in data:
        raise TextError("{name} contains NUL bytes, so it is not plain text; save it as UTF-8", name=name)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise TextError(
            "{name} is not UTF-8 text (byte {start}); save it as UTF-8", name=name, start=error.start
        ) from None
    if "\0" in text:
        raise TextError("{name} contains NUL characters, so it is not plain text", name=name)
    if not text.strip():
        raise TextError("{name} is empty", name=name)
    # As Python's own open() reads a text: with "\r\n" kept, SmolLM2's perplexity of WikiText-2 is 32.50, not 32.33.
    return text.replace("\r\n", "\n").replace("\r", "\n")
