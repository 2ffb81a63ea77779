"""Descriptions of the catalog's models that OptLab brings along (`assets/descriptions`, made by `make probes`).

A page that opens for the first time draws at once, and predicts, while a worker still imports torch and reads the
weights. A description is believed for exactly the files that it was made of; what a worker finds goes before it.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path

from optlab import files, paths
from optlab.errors import OptLabError
from optlab.models.catalog import card, locate
from optlab.models.describe import VERSION, Description

SOURCE, DESCRIPTION = "source", "description"


def place_of(name: str) -> Path:
    """Where the description of a catalog model is brought along."""
    return paths.ASSETS / "descriptions" / f"{name}.json"


def description(name: str) -> Description | None:
    """That of a catalog model, for the files of it that lie on this disk; None for any other. Raises ModelError."""
    source = locate(name) if card(name) is not None else None
    file = place_of(name)
    if source is None or not file.is_file():
        return None
    return _read(file, file.stat().st_mtime_ns, source, _version(source))


def document(found: Description, source: Path) -> str:
    """What is kept of a description. source: the folder or file that the model came in."""
    return json.dumps(
        {"version": VERSION, SOURCE: source_id(source), DESCRIPTION: json.loads(found.to_json())}, indent=1
    )


def source_id(source: Path) -> str:
    """sha256 over the names and contents of a model's files as they came, in hex."""
    digest = hashlib.sha256()
    for file in _files(source):
        digest.update(file.name.encode())
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


@lru_cache(maxsize=8)
def _read(
    file: Path, changed: int, source: Path, version: tuple[tuple[str, tuple[int, ...]], ...]
) -> Description | None:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        if kept["version"] != VERSION or kept[SOURCE] != source_id(source):
            return None
        return Description.from_json(json.dumps(kept[DESCRIPTION]))
    except (OSError, ValueError, KeyError, TypeError, OptLabError):  # of another version: a worker describes it
        return None


def _version(source: Path) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return tuple((file.name, files.version(file)) for file in _files(source))


def _files(source: Path) -> list[Path]:
    return [source] if source.is_file() else sorted([*source.glob("*.safetensors"), *source.glob("*.json")])
