"""The files of finished exports: where a page's download finds them on this machine."""

from __future__ import annotations

from pathlib import Path

from optlab.client.client import Client
from optlab.errors import ModelError
from optlab.exports.export_format import ExportFormat
from optlab.exports.package import CARD
from optlab.jobs.export import EXPORT
from optlab.jobs.measure import MEASURE
from optlab.jobs.resolution import title
from optlab.models.catalog import locate
from optlab.models.checkpoint import read_json
from optlab.models.hub_config import HubConfig
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


def refused(client: Client, measured: Run, kind: ExportFormat) -> ModelError | None:
    """Why the model of a measurement cannot be written as `kind`, as far as can be told at once; None where it can."""
    spec = MEASURE.spec_of(measured)
    try:
        described = client.description(spec.model)
        if described is not None:
            kind.check(
                title(spec.model), described.family, _config_json(spec.model, described.family), spec.known_recipe
            )
    except ModelError as error:
        return error
    return None


def _config_json(model: str, family: str) -> HubConfig | None:
    """The config.json in a model's folder; None where there is none on this disk that is of this family any more."""
    try:
        source = locate(model)
        found = read_json(source / "config.json") if source is not None and source.is_dir() else {}
    except ModelError:  # moved or damaged since it was measured, which its run will say
        return None
    return found if found.get("model_type") == family else None


def file(client: Client, id: int, name: str) -> Path | None:
    """The file `name` of export run `id`: what it wrote, or its card; None for anything else."""
    run = client.run(id)
    found = made(run) if run is not None else None
    return _file(found, name) if found is not None and name in (found.file, CARD) else None


def _file(found: Export, name: str) -> Path | None:
    folder = artefacts.recorded_folder(found.artefact)
    path = folder / name if folder is not None else None
    return path if path is not None and path.is_file() else None
