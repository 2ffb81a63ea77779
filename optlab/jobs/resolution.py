"""What was asked for, with everything decided: files, text, precision; and what tells it from others."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from optlab import files, roots
from optlab.machine.identity import decoding_dtype, reading_dtype
from optlab.protocol import FALLBACK_TEXT, Protocol

WINDOWS = "strewn 1"
"""How windows of a named or pasted text are taken (`optlab.texts.strewn`); what was measured before says nothing."""


def settled(model: str, protocol: Protocol) -> Protocol:
    """`protocol` with its defaults decided: the model's text, its other side to calibrate with when it is a named one
    (else the model's own text), the precision of this machine, absolute paths."""
    from optlab.models.catalog import catalog
    from optlab.texts.names import names

    default = next((card.default_text for card in catalog() if card.name == model), FALLBACK_TEXT)
    text = protocol.text or default
    calibration = protocol.calibration or (text if text in {card.name for card in names()} else default)
    return precise(protocol.model_copy(update={"text": located(text), "calibration": located(calibration)}))


def precise(protocol: Protocol) -> Protocol:
    """`protocol` with the precision of this machine where that was left open."""
    reads: str = protocol.dtype
    decodes = protocol.decodes_in
    if reads == "auto":
        reads = reading_dtype(protocol.device)
    if decodes == "auto":
        decodes = decoding_dtype(protocol.device)
    return protocol.model_copy(update={"dtype": reads, "decode_dtype": "same" if decodes == reads else decodes})


def deciding(protocol: Protocol, *without: str) -> dict[str, object]:
    """The settings of `protocol` as a key names them, but those in `without`: a precision of decoding only where there
    is one of its own and something is timed, as before it could be said."""
    settings = protocol.model_dump(exclude=set(without))
    if protocol.decode_dtype == "same" or not protocol.latency:
        del settings["decode_dtype"]
    return settings


def located(name: str) -> str:
    """A path as absolute path, because the worker may run elsewhere; a name of the catalog or the hub as it is."""
    from optlab.models.catalog import catalog
    from optlab.texts.names import names

    known = {card.name for card in catalog()} | {card.name for card in names()}
    try:
        path = Path(name).expanduser()
    except RuntimeError:  # the home of an unknown user
        return name
    if name in known:
        return name
    if _exists(path):
        return str(path.resolve())
    plain, mark, column = name.rpartition("#")  # a column of a table
    return f"{located(plain)}#{column}" if mark and plain and located(plain) != plain else name


def title(model: str) -> str:
    """A short name of a model for people: the last part of a path."""
    return Path(model).name if Path(model).is_absolute() else model


def unread_identity(model: str) -> str:
    """What tells a model from others before its weights were read: names and versions of its files.

    Raises ModelError when there is no such model on this disk and the name cannot be one of the hub.
    """
    from optlab.models.catalog import locate
    from optlab.models.fingerprint import TEXT_FILES
    from optlab.models.gguf.file import split_parts

    path = locate(model)
    if path is None:
        return model
    if path.is_file():
        parts = [part for part in split_parts(path) if part.is_file()]
    else:
        texts = (path / name for name in TEXT_FILES)
        parts = sorted({*path.glob("*.safetensors"), *path.glob("*.json"), *(file for file in texts if file.is_file())})
    seen = [[part.name, *files.version(part)] for part in parts if part.is_file()]
    begins = _begins(path, json.dumps(seen)) if path.is_dir() else ""
    # What was measured of a model that wants BOS before windows had one is not looked for; all else is found again.
    return digest(model, seen, begins) if begins else digest(model, seen)


def text_identity(text: str | None) -> str | None:
    """What tells a text from others: the name of a named or pasted one and how its windows are taken, the contents of
    a file."""
    from optlab.texts.names import is_strewn
    from optlab.texts.text import version_of

    if text is not None and is_strewn(text):
        return f"{text}, {WINDOWS}"
    if text is None:
        return None
    plain, mark, column = text.rpartition("#")
    if mark and not _exists(Path(text)) and _exists(Path(plain)):
        return f"{text_identity(plain)}#{column}"
    path = Path(text)
    if not _exists(path):
        return text
    version = version_of(path)
    return _contents(text, version) if path.is_file() else digest(text, version)


def digest(*parts: Any) -> str:
    """sha256 of `parts` as canonical JSON, in hex."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _exists(path: Path) -> bool:
    try:
        return path.exists() and roots.allows(path)
    except (OSError, ValueError):  # a name that no file can have: too long, or with a NUL in it
        return False


@lru_cache(maxsize=64)
def _begins(folder: Path, version: str) -> str:
    from optlab.models.fingerprint import framing_of

    return framing_of(folder)


@lru_cache(maxsize=256)
def _contents(path: str, version: object) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
