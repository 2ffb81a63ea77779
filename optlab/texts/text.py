"""One text, wherever it comes from: a name, a path, or what a person pasted into a page."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path

from optlab import files, paths, roots
from optlab.errors import TextError
from optlab.texts.names import PASTED, card, names
from optlab.texts.near import groups
from optlab.texts.records import TABLES, Taken, from_folder, from_table
from optlab.texts.sources import Documents, documents_of
from optlab.texts.unpacking import decoded, regular, unpacked

MOST_FILES = 10_000
"""Of a folder, that are looked at to see whether it changed."""


@dataclass(frozen=True)
class Text:
    """Documents of a text with two sides; one that is a single document has the same on both. taken: how a person's own
    file was read, None for a named text."""

    name: str
    title: str
    licence: str
    calibration: Documents
    evaluation: Documents
    taken: Taken | None = None

    @property
    def conversation(self) -> bool:
        """Whether documents are JSON lists of messages, which only a model's chat template makes a text of."""
        return self.taken is not None and self.taken.conversation

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
    if card(name_or_path) is not None:
        return _named(name_or_path)
    path, column = _path(name_or_path)
    return _from_file(name_or_path, str(path), column, version_of(path))


def version_of(path: Path) -> tuple[tuple[int, ...], ...]:
    """What changes when the contents of a file, or of a folder's files, do."""
    # a data set's folder holds files and folders of splits; anybody may name "/" instead, which has millions
    places = sorted(islice(chain(path.glob("*"), path.glob("*/*")), MOST_FILES)) if path.is_dir() else [path]
    states = []
    for place in places:
        with suppress(OSError):  # a link to nowhere, or gone since it was listed
            states.append(files.version(place))
    return tuple(states)


def fingerprint(name_or_path: str) -> str:
    """`load(name_or_path).fingerprint`. Raises TextError."""
    return load(name_or_path).fingerprint


def store_pasted(text: str) -> str:
    """Keep a pasted text in the cache; returns the name that `load` takes. Raises TextError."""
    return store_uploaded(text.encode("utf-8", errors="surrogatepass"), "")


def store_uploaded(data: bytes, file_name: str) -> str:
    """Keep an uploaded file in the cache; returns the name that `load` takes, with the file's ending, which says how it
    is read. Raises TextError when it cannot be read."""
    endings = "".join(Path(file_name).suffixes[-2:]).lower()
    ending = endings if PASTED.fullmatch(f"paste:{'0' * 16}{endings}") else ""
    name = f"paste:{hashlib.sha256(data).hexdigest()[:16]}{ending}"
    place = paths.folder("texts") / _file_of(name)
    files.write_bytes(place, data)
    try:
        read(place, file_name or "the pasted text")
    except TextError:
        place.unlink(missing_ok=True)
        raise
    return name


@lru_cache(maxsize=8)
def _named(name: str) -> Text:
    known = card(name)
    assert known is not None, f"{name} is no named text"
    calibration, evaluation = documents_of(known)
    return Text(name, known.title, known.licence, calibration, evaluation)


@lru_cache(maxsize=4)
def _from_file(name: str, path: str, column: str | None, version: object) -> Text:
    taken = read(Path(path), name, column)
    calibration, evaluation = sides(taken.documents)
    title = "pasted text" if PASTED.fullmatch(name) else Path(path).name
    return Text(name, title, "your own", calibration, evaluation, taken)


def read(path: Path, name: str, column: str | None = None) -> Taken:
    """The documents of a file or of a data set's folder. Raises TextError."""
    if path.is_dir():
        return from_folder(path, name, column)
    regular(path, name)
    data, ending = unpacked(path, name)
    if ending in TABLES and ending:
        return from_table(data, ending, name, column)
    if column is not None:
        raise TextError("{name} is plain text and has no columns", name=name)
    return Taken((decoded(data, name),), "plain text")


def sides(documents: Documents) -> tuple[Documents, Documents]:
    """(calibration, evaluation) of a person's documents, in the order of the file; near copies are on one side.

    A single document, or nothing but copies of one, is both.
    """
    together = groups(documents)
    if len(together) < 2:
        return documents, documents
    together.sort(key=lambda group: hashlib.sha256(documents[group[0]].encode()).digest())
    chosen = {number for group in together[0::2] for number in group}
    return (
        tuple(one for number, one in enumerate(documents) if number in chosen),
        tuple(one for number, one in enumerate(documents) if number not in chosen),
    )


def _file_of(pasted: str) -> str:
    digits, _, ending = pasted.removeprefix("paste:").partition(".")
    return f"{digits}.{ending or 'txt'}"


def _path(name: str) -> tuple[Path, str | None]:
    """(file or data set's folder, column that was chosen) of PATH or PATH#COLUMN. Raises TextError."""
    plain, _, column = name.rpartition("#")
    tries = [(name, None), (plain, column)] if plain and column else [(name, None)]
    for one, chosen in tries:
        if PASTED.fullmatch(one):
            path = paths.folder("texts") / _file_of(one)
            if not path.is_file():
                raise TextError("that pasted text is no longer in the cache; paste it again")
            return path, chosen
        try:
            path = Path(one).expanduser()
            if path.exists() and roots.allows(path):
                return path.resolve(), chosen
        except (OSError, RuntimeError):  # a name longer than file systems allow, the home of an unknown user
            pass
    known = ", ".join(card.name for card in names())
    raise TextError(
        "there is no text {name!r}: no such file, and the named texts are {known}",
        name=name[:80],
        known=known,
    )
