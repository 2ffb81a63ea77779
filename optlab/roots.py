"""Below which folders paths of models and texts may lie, where not everybody who names one may read everything.

OPTLAB_ROOTS lists folders, with `:` between them. Where it is not set, every path is allowed: who names it is who owns
the files. A dashboard that other machines reach sets it to nothing unless somebody has set it (`app.py`), and then only
what OptLab brought along, converted, or was handed by upload may be named.
"""

from __future__ import annotations

import os
from pathlib import Path

from optlab import paths

VARIABLE = "OPTLAB_ROOTS"
OWN = ("models", "texts")
"""Folders below OPTLAB_HOME that hold what people brought, and nothing else."""


def allows(path: Path) -> bool:
    """Whether `path`, wherever its links lead, may be read for whoever asks."""
    asked = os.environ.get(VARIABLE)
    if asked is None:
        return True
    try:
        real = path.resolve()
        return any(real.is_relative_to(root.resolve()) for root in _roots(asked))
    except (OSError, RuntimeError, ValueError):  # a loop of links, a name that no file can have
        return False


def _roots(asked: str) -> list[Path]:
    chosen = [Path(one).expanduser() for one in asked.split(os.pathsep) if one]
    return [*chosen, paths.ASSETS, *(paths.home() / name for name in OWN)]
