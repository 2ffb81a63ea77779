"""One text, wherever it comes from: a name, a path, or what a person pasted into a page."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from optlab import files, paths
from optlab.errors import TextError
from optlab.texts.names import PASTED, names
from optlab.texts.sources import READERS, Documents

LARGEST_FILE = 100 << 20


@dataclass(frozen=True)
class Text:
    """Documents of a text; a named one has two sides, a person's own has only what is measured or calibrated."""

    name: str
    title: str
    licence: str
    calibration: Documents
    evaluation: Documents

    @property
    def documents(self) -> Documents:
        """Every document once."""
        return tuple(dict.fromkeys(self.calibration + self.evaluation))

    @property
    def fingerprint(self) -> str:
        """sha256 of all documents and of the side each is on."""
        digest = hashlib.sha256()
        for side in (self.calibration, self.evaluation):
            for document in side:
                digest.update(hashlib.sha256(document.encode()).digest())
            digest.update(b"|")
        return digest.hexdigest()


def load(name_or_path: str) -> Text:
    """The text of a name, a path, or `paste:...`.

    Raises TextError: unknown name, unreadable, not text, empty, too large, or not to be had without a network.
    """
    if "\0" in name_or_path:
        raise TextError("a text's name cannot contain a NUL character")
    if name_or_path in READERS:
        return _named(name_or_path)
    path = _path(name_or_path)
    status = path.stat()
    if status.st_size > LARGEST_FILE:
        raise TextError(
            "{name_or_path} has {st_size} MB; the largest text that is read has 100 MB",
            name_or_path=name_or_path,
            st_size=status.st_size >> 20,
        )
    return _from_file(name_or_path, str(path.resolve()), version_of(path))


def version_of(path: Path) -> tuple[int, ...]:
    """What changes when a file's contents do. The time of its last change of status is among it, because tools that
    put back the time of modification cannot put back that one."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def fingerprint(name_or_path: str) -> str:
    """`load(name_or_path).fingerprint`. Raises TextError."""
    return load(name_or_path).fingerprint


def store_pasted(text: str) -> str:
    """Keep a pasted or uploaded text in the cache; returns the name that `load` takes. Raises TextError."""
    data = text.encode("utf-8", errors="surrogatepass")
    decode(data, "the pasted text")
    name = "paste:" + hashlib.sha256(data).hexdigest()[:16]
    files.write_bytes(paths.folder("texts") / f"{name[6:]}.txt", data)
    return name


def decode(data: bytes, name: str) -> str:
    """UTF-8 (with or without a byte order mark) as text, with line feeds alone. Raises TextError for anything else."""
    if b"\0" in data:
        raise TextError("{name} contains NUL bytes, so it is not plain text; save it as UTF-8", name=name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TextError(
            "{name} is not UTF-8 text (byte {start}); save it as UTF-8", name=name, start=error.start
        ) from None
    if not text.strip():
        raise TextError("{name} is empty", name=name)
    # As Python's own open() reads a text: with "\r\n" kept, SmolLM2's perplexity of WikiText-2 is 32.50, not 32.33.
    return text.replace("\r\n", "\n").replace("\r", "\n")


@lru_cache(maxsize=8)
def _named(name: str) -> Text:
    card = next(card for card in names() if card.name == name)
    calibration, evaluation = READERS[name]()
    return Text(name, card.title, card.licence, calibration, evaluation)


@lru_cache(maxsize=4)
def _from_file(name: str, path: str, version: tuple[int, ...]) -> Text:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise TextError(
            "{name} cannot be read ({strerror}); give the path of a readable text file",
            name=name,
            strerror=error.strerror,
        ) from None
    text = decode(data, name)
    return Text(name, "pasted text" if PASTED.fullmatch(name) else Path(path).name, "your own", (text,), (text,))


def _path(name: str) -> Path:
    if PASTED.fullmatch(name):
        path = paths.folder("texts") / f"{name[6:]}.txt"
        if not path.is_file():
            raise TextError("that pasted text is no longer in the cache; paste it again")
        return path
    try:
        path = Path(name).expanduser()
        if path.is_dir():
            raise TextError("{name} is a folder; give the path of a text file", name=name)
        if path.is_file():
            return path
    except (OSError, RuntimeError):  # a name longer than file systems allow, the home of an unknown user
        pass
    known = ", ".join(card.name for card in names())
    raise TextError(
        "there is no text {name!r}: no such file, and the named texts are {known}",
        name=name[:80],
        known=known,
    )
