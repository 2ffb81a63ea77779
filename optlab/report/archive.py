"""A project as one file: the finished runs and their recipes, to be kept, sent, and imported elsewhere.

The file is a zip of JSON lines with a manifest of checksums. Nothing of it is ever unpacked onto a disk or executed:
the three members are read in memory under limits that are checked while reading (what a zip says about its own size is
a claim), and every line is checked before anything is stored. Checksums tell damage; they do not tell who wrote it.

An import never overwrites: a run that is known here, by the key of everything that decides its result, stays as it is.
A latency's key names its machine, so a latency of another machine can be looked at but never answers for this one.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from optlab import __version__
from optlab.client.client import Client
from optlab.errors import OptLabError, RecipeError
from optlab.files import JsonObject
from optlab.jobs.measured import unreadable
from optlab.jobs.registry import KINDS
from optlab.recipes import Recipe
from optlab.report import incoming
from optlab.results.specs import RecipeSpec
from optlab.store import safe_json
from optlab.store.run import Run

FORMAT, VERSION = "optlab-project", 1
MANIFEST, RUNS, RECIPES = "manifest.json", "runs.jsonl", "recipes.jsonl"
MEMBERS = (MANIFEST, RUNS, RECIPES)
UNREADABLE = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError,
    ValueError,
)  # fmt: skip
"""What reading a damaged, encrypted or strange zip raises."""

PORTABLE = tuple(kind.name for kind in KINDS.values() if kind.portable)
"""Kinds of runs that an archive holds."""
LARGEST_FILE = 64 << 20
LARGEST_CONTENT = 256 << 20
MOST_RUNS = 100_000
HIGHEST_RATIO = 200
"""Bytes that one byte may become; JSON of measurements stays far below, a bomb lies far above."""


@dataclass(frozen=True)
class Imported:
    """What an import did. added: new runs; known: runs that were here; recipes: in the archive."""

    added: int
    known: int
    recipes: int


def portable(run: Run) -> bool:
    """Whether an archive holds it: finished, and its result can be read and means the same elsewhere. A prepared or
    probed model is made of files that stay here."""
    return run.done and run.kind in PORTABLE and unreadable(run) is None and incoming.dated(run)


def write(runs: Sequence[Run]) -> bytes:
    """The archive of the finished ones of `runs`. Raises OptLabError when there is none."""
    kept = [run for run in runs if portable(run)]
    if not kept:
        raise OptLabError("there is no finished run to put into an archive; measure something first")
    contents = {RUNS: _lines([_portable(run) for run in kept]), RECIPES: _lines(_recipes(kept))}
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "optlab": __version__,
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "lines": data.count(b"\n")}
            for name, data in contents.items()
        },
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, json.dumps(manifest, indent=1))
        for name, data in contents.items():
            archive.writestr(name, data)
    return out.getvalue()


def import_archive(data: bytes, client: Client, now: float | None = None) -> Imported:
    """Add the runs of an archive to the client's store. Raises OptLabError, and then nothing was added."""
    runs, recipes = read(data)
    when = time.strftime("%Y-%m-%d", time.gmtime(now or time.time()))
    added = client.adopt([replace(run, worker=f"archive of {when}") for run in runs])
    return Imported(added, len(runs) - added, len(recipes))


def read(data: bytes) -> tuple[list[Run], list[Recipe]]:
    """The runs and recipes of an archive, checked. Raises OptLabError that says what is wrong with it."""
    if len(data) > LARGEST_FILE:
        raise OptLabError(
            "the archive has {data_count} MB; at most {largest_file} MB are read",
            data_count=len(data) >> 20,
            largest_file=LARGEST_FILE >> 20,
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found = _members(archive)
    except UNREADABLE as error:
        raise OptLabError("this is no readable project archive: {error}", error=str(error) or "it is cut off") from None
    _check_manifest(found)
    runs: dict[str, Run] = {}
    for number, one in _parsed(found[RUNS], RUNS):
        run = incoming.run(one, f"line {number} of {RUNS}")
        if run.key in runs:
            raise OptLabError("the archive holds one run twice")
        runs[run.key] = run
    return [*runs.values()], [
        recipe for _, one in _parsed(found[RECIPES], RECIPES) if (recipe := _known(one)) is not None
    ]


def _members(archive: zipfile.ZipFile) -> dict[str, bytes]:
    """The bytes of the three members, and of no other."""
    infos = archive.infolist()
    for info in infos:
        if info.filename not in MEMBERS:
            raise OptLabError(
                "the archive holds {filename!r}; a project holds {members} only",
                filename=info.filename[:80],
                members=", ".join(MEMBERS),
            )
    if sorted(info.filename for info in infos) != sorted(MEMBERS):
        raise OptLabError("a project archive holds each of {members} once", members=", ".join(MEMBERS))
    found: dict[str, bytes] = {}
    left = LARGEST_CONTENT
    for info in infos:
        allowed = min(left, max(info.compress_size, 1024) * HIGHEST_RATIO)
        with archive.open(info) as member:
            content = member.read(allowed + 1)
        if len(content) > allowed:
            raise OptLabError(
                "{filename} unpacks to more than a project can hold, so the archive is not read",
                filename=info.filename,
            )
        found[info.filename] = content
        left -= len(content)
    return found


def _check_manifest(found: dict[str, bytes]) -> None:
    manifest = _json(found[MANIFEST], MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise OptLabError(
            "{manifest} does not say {format!r}; this is another kind of archive",
            manifest=MANIFEST,
            format=FORMAT,
        )
    if manifest.get("version") != VERSION:
        raise OptLabError(
            "the archive has version {version!r}; this OptLab reads version {readable}",
            version=manifest.get("version"),
            readable=VERSION,
        )
    files = manifest.get("files")
    for name in (RUNS, RECIPES):
        listed = files.get(name) if isinstance(files, dict) else None
        if not isinstance(listed, dict) or listed.get("sha256") != hashlib.sha256(found[name]).hexdigest():
            raise OptLabError("{name} does not match its checksum; the archive is damaged or was changed", name=name)


def _parsed(data: bytes, name: str) -> Iterator[tuple[int, Any]]:
    """Number and content of each line, one after the other: all of them at once may take a gigabyte."""
    lines = data.split(b"\n")
    if len(lines) > MOST_RUNS:
        raise OptLabError(
            "{name} has {line_count:,} lines; at most {most_runs:,} are read",
            name=name,
            line_count=len(lines),
            most_runs=MOST_RUNS,
        )
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, _json(line, f"line {number} of {name}")


def _json(data: bytes, name: str) -> Any:
    try:
        return json.loads(data.decode())
    except (ValueError, RecursionError):
        raise OptLabError("{name} is not JSON", name=name) from None


def _lines(values: Sequence[Any]) -> bytes:
    return "".join(safe_json.dumps(value) + "\n" for value in values).encode()


def _portable(run: Run) -> JsonObject:
    """A run without what belongs to this machine: its number here, its worker, and the folder of its weights."""
    kind = KINDS[run.kind]
    result: Any = kind.result_of(run)
    if getattr(result, "artefact", None) is not None:
        result = result.model_copy(update={"artefact": None})
    return {
        "key": run.key, "kind": run.kind, "title": run.title, "spec": json.loads(kind.spec_of(run).to_json()),
        "result": json.loads(result.to_json()), "created": run.created, "started": run.started,
        "finished": run.finished, "attempts": run.attempts, **incoming.written_on(run.label),
    }  # fmt: skip


def _recipes(runs: Sequence[Run]) -> list[JsonObject]:
    """Every recipe of the runs once, named by its content."""
    specs = (KINDS[run.kind].spec_of(run) for run in runs)
    asked = (spec.recipe for spec in specs if isinstance(spec, RecipeSpec))
    found = {one.content_hash: one for one in asked if isinstance(one, Recipe) and not one.is_original}
    return [{"hash": name, "name": one.describe(), "recipe": one.to_dict()} for name, one in found.items()]


def _known(entry: Any) -> Recipe | None:
    """The recipe of a line; None when this version of OptLab has no such method."""
    try:
        return Recipe.from_dict(entry.get("recipe") if isinstance(entry, dict) else entry)
    except RecipeError:
        return None
