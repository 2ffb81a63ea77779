"""The files of finished exports: where a page's download finds them on this machine."""

from __future__ import annotations

from pathlib import Path

from optlab.client.client import Client
from optlab.exports.package import CARD
from optlab.jobs.export import EXPORT
from optlab.results.document import UnreadableError
from optlab.results.export import Export
from optlab.store import artefacts
from optlab.store.run import Run


def made(run: Run) -> Export | None:
    """What an export wrote, while its file is still on this machine; None otherwise."""
    try:
        found = EXPORT.result_of(run) if run.kind == EXPORT.name and run.done else None
    except UnreadableError:
        return None
    return found if found is not None and _file(found, found.file) is not None else None


def file(client: Client, id: int, name: str) -> Path | None:
    """The file `name` of export run `id`: what it wrote, or its card; None for anything else."""
    run = client.run(id)
    found = made(run) if run is not None else None
    return _file(found, name) if found is not None and name in (found.file, CARD) else None


def _file(found: Export, name: str) -> Path | None:
    folder = artefacts.recorded_folder(found.artefact)
    path = folder / name if folder is not None else None
    return path if path is not None and path.is_file() else None
