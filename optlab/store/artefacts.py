"""Where the packed files of compressed models are kept, so that no recipe is applied twice to the same model.

A measurement writes its artefact here, a generation finds it by the same key. Torch-free: pages and the store ask for
paths and delete folders, they never read weights.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from contextlib import suppress
from pathlib import Path

from optlab import paths
from optlab.protocol import Protocol
from optlab.recipes import Recipe

FORMAT = 3
"""Raised whenever the same recipe would write other bytes than before."""

LEFT_BEHIND_S = 86_400.0


def key(fingerprint: str, recipe: Recipe, protocol: Protocol) -> str:
    """Hash of everything that decides the weights: the model, the recipe, and how it is calibrated and trained."""
    decides = {
        "format": FORMAT,
        "model": fingerprint,
        "recipe": recipe.content_hash,
        "calibration": [protocol.calibration, protocol.calibration_tokens, protocol.context],
        "seed": protocol.seed,
    }
    decides |= {"bos": protocol.bos} if protocol.bos != "auto" else {}  # what was packed before it could be asked stays
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:32]


def folder(key: str) -> Path:
    """Where the artefact of `key` is, or would be."""
    return paths.folder("artefacts") / key


def sweep(older_than_s: float = LEFT_BEHIND_S) -> None:
    """Delete what a killed process left half written, a day ago or earlier: younger ones may still be written."""
    for left in paths.folder("artefacts").glob(".*unfinished-*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > older_than_s:
                shutil.rmtree(left, ignore_errors=True)


def recorded_folder(recorded: str | None) -> Path | None:
    """A recorded artefact folder; None when it is not a folder directly inside the cache's `artefacts`.

    The path comes from a database row, so it is resolved (links and `..` included) before it is believed.
    """
    path = Path(recorded or "").resolve()
    return path if path.parent == paths.folder("artefacts").resolve() and path.is_dir() else None


def remove(recorded: str) -> bool:
    """Delete a recorded artefact folder; False when there is none (`recorded_folder`)."""
    path = recorded_folder(recorded)
    if path is None:
        return False
    shutil.rmtree(path)
    return True
