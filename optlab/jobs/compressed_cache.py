"""The compressed model of a recipe, from its artefact when there is one, else made and kept as one.

An artefact appears under its key complete or not at all: it is written beside and renamed, so that a crash or a full
disk leaves nothing that looks finished. One that was damaged since is made again.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from optlab import sealed
from optlab.messages import say
from optlab.progress import Progress, silent, span
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.results.measurement import MeasureSpec
from optlab.store import artefacts

if TYPE_CHECKING:
    from optlab.compression import Compressed
    from optlab.models.language_model import LanguageModel


def packed(
    model: LanguageModel, recipe: Recipe, protocol: Protocol, progress: Progress = silent
) -> tuple[Compressed, Path]:
    """`recipe` applied to `model`, and the folder of its packed file; without the report on layers, unless somebody
    has asked for it before (`reported`). Raises RecipeError, MeasurementError, OSError."""
    from optlab.compression import apply
    from optlab.kernels.artefact import load_artefact

    folder = artefacts.folder(artefacts.key(model.fingerprint, recipe, protocol))
    if sealed.intact(folder):
        progress(0.0, say("reading the packed model"))
        return load_artefact(folder, "float32", protocol.device), folder
    compressed = apply(model, recipe, protocol, span(progress, 0.0, 0.9))
    artefacts.sweep()
    keep(compressed, folder, span(progress, 0.9, 1.0))
    return compressed, folder


def reported(
    compressed: Compressed, model: LanguageModel, protocol: Protocol, folders: Collection[Path],
    progress: Progress = silent,
) -> None:  # fmt: skip
    """What `compressed` did to each layer of `model`, found and noted in these `folders` of it. Raises OSError."""
    from optlab.compression import report_layers
    from optlab.kernels.artefact import NOTICE, ORIGIN, note_layers

    report_layers(compressed, model, protocol, progress)
    for folder in folders:
        with suppress(FileNotFoundError):  # the run before it was deleted meanwhile, and its artefact with it
            note_layers(compressed, folder)
            sealed.reseal(folder, (NOTICE, ORIGIN))


def write(spec: MeasureSpec, folder: Path, progress: Progress = silent) -> None:
    """Write the compressed model of a measurement's spec into `folder`, from its artefact while that is there.

    Raises MeasurementError when it cannot be written, and what `packed` raises.
    """
    from optlab.jobs import model_cache
    from optlab.kernels.artefact import save

    model = model_cache.model(spec.model, "float32", spec.protocol.device, span(progress, 0.0, 0.2))
    compressed, _ = packed(model, spec.known_recipe, spec.protocol, span(progress, 0.2, 0.6))
    save(compressed, folder, span(progress, 0.6, 1.0))


def keep(compressed: Compressed, folder: Path, progress: Progress = silent) -> None:
    """Write `compressed` to `folder` in one step; what another process put there meanwhile stays. Raises OSError."""
    from optlab.kernels.artefact import save

    with sealed.building(folder) as unfinished:
        save(compressed, unfinished, progress)
