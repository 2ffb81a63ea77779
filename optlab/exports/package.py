"""The file to take home and its card, in one folder: written, packed where a format has several files, and hashed.

Everything goes through the disk piece by piece. A zip is stored and not deflated: packed weights do not shrink again.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from optlab import files
from optlab.errors import MeasurementError
from optlab.exports import card
from optlab.exports.formats import format_of
from optlab.messages import say
from optlab.progress import Progress, silent, span
from optlab.results.export import Export, Figures

if TYPE_CHECKING:
    from optlab.compression import Compressed

CARD, SUMS = "README.md", "SHA256SUMS"
PIECE = 1 << 22
"""Bytes that are copied or hashed between two looks at whether somebody cancelled."""
LONGEST_STEM = 80


def export(
    compressed: Compressed, format: str, folder: Path, figures: Figures | None = None, progress: Progress = silent
) -> Export:
    """Write `compressed` into the empty `folder`: its one file, and README.md.

    Raises OptLabError (an unknown format), ModelError (one that cannot say what the model is), MeasurementError (a full
    disk), Cancelled.
    """
    kind = format_of(format)
    stem = stem_of(compressed)
    inside = folder / stem
    try:
        inside.mkdir()
        written = kind.write(compressed, inside, stem, span(progress, 0.0, 0.7))
        size = sum(made.stat().st_size for made in inside.iterdir())
        text = card.text(compressed, kind, written, figures, stem, size)
        (folder / CARD).write_text(text, encoding="utf-8")
        if kind.zipped:
            shutil.copyfile(folder / CARD, inside / CARD)
            file = folder / f"{stem}-{kind.name}.zip"
            _pack(inside, file, span(progress, 0.7, 0.9))
        else:
            (made,) = inside.iterdir()
            file = folder / made.name
            made.replace(folder / f"{file.name}.moved")  # the folder has the stem's name, and so may the file
            (folder / f"{file.name}.moved").replace(file)
        shutil.rmtree(inside)
        return Export(
            format=kind.name, file=file.name, size_bytes=file.stat().st_size,
            sha256=_sha256(file, span(progress, 0.9, 1.0)), tensors=written.tensors, rounding=written.rounding,
            exact=written.exact, card=text,
        )  # fmt: skip
    except OSError as error:
        why = files.reason(error)
        raise MeasurementError("the file cannot be written to {folder}: {why}", folder=folder, why=why) from None


def stem_of(compressed: Compressed) -> str:
    """A file name without ending: the model and what was done to it, "nano-rtn-4-bits-group-64"."""
    words = f"{Path(compressed.model.name).name} {compressed.recipe.describe()}"
    return re.sub(r"[^A-Za-z0-9._]+", "-", words).strip("-.")[:LONGEST_STEM] or "model"


def _pack(folder: Path, file: Path, progress: Progress) -> None:
    """All files of `folder`, with their sums, in the archive `file`."""
    members = sorted(path for path in folder.iterdir() if path.is_file())
    whole = sum(path.stat().st_size for path in members) or 1
    done, sums = 0, []
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for path in members:
            digest = hashlib.sha256()
            entry = zipfile.ZipInfo.from_file(path, f"{folder.name}/{path.name}")
            with archive.open(entry, "w") as target:
                for piece in _pieces(path):
                    target.write(piece)
                    digest.update(piece)
                    done += len(piece)
                    progress(done / whole, say("packing {name}", name=path.name))
            sums.append(f"{digest.hexdigest()}  {path.name}\n")
        archive.writestr(f"{folder.name}/{SUMS}", "".join(sums))


def _sha256(file: Path, progress: Progress) -> str:
    digest, done, whole = hashlib.sha256(), 0, file.stat().st_size or 1
    for piece in _pieces(file):
        digest.update(piece)
        done += len(piece)
        progress(done / whole, say("adding up the sha256"))
    return digest.hexdigest()


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while piece := source.read(PIECE):
            yield piece
