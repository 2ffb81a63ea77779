"""Where OptLab keeps what it made: one folder, `OPTLAB_HOME` (default `~/.cache/optlab`), safe to delete.

`models/` holds converted checkpoints, `calibration/` statistics, `artefacts/` the packed files of finished runs, and
`optlab.db` the store of runs.
"""

from __future__ import annotations

import os
from pathlib import Path

from optlab.errors import OptLabError

PACKAGE = Path(__file__).resolve().parent
BESIDE, INSIDE = PACKAGE.parent / "assets", PACKAGE / "assets"
ASSETS = INSIDE if INSIDE.is_dir() else BESIDE
"""What OptLab brings along (nano, a text, probes, languages): beside the package in a checkout, inside a wheel."""


def home() -> Path:
    """The cache folder, created when missing. Raises OptLabError when it cannot be."""
    return _made(Path(os.environ.get("OPTLAB_HOME") or Path.home() / ".cache" / "optlab").expanduser())


def folder(name: str) -> Path:
    """A sub-folder of the cache, created when missing. Raises OptLabError when it cannot be."""
    return _made(home() / name)


def _made(path: Path) -> Path:
    if os.path.isdir(path) and os.access(path, os.W_OK | os.X_OK):  # as a page finds it forty times each run
        return path
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptLabError(
            "OptLab cannot keep its files in {path}: {reason}; set OPTLAB_HOME to a folder that you may write to",
            path=path,
            reason=error.strerror or error,
        ) from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise OptLabError(
            "OptLab cannot keep its files in {path}: it may not be written to; set OPTLAB_HOME to a folder that you "
            "may write to",
            path=path,
        )
    return path


def store_url() -> str:
    """SQLAlchemy URL of the store of runs (`OPTLAB_STORE`, default SQLite in the cache folder)."""
    return os.environ.get("OPTLAB_STORE") or f"sqlite:///{home() / 'optlab.db'}"
