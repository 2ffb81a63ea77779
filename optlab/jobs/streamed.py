"""A measurement of a model that is larger than the memory of this machine: one block at a time (`optlab.streaming`)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psutil

from optlab import sealed
from optlab.errors import ModelError, RecipeError
from optlab.jobs.answer import answer
from optlab.jobs.kind import Log
from optlab.jobs.measure_plan import memory_bytes
from optlab.jobs.sides import Telling
from optlab.machine.locks import compute_lock
from optlab.messages import say
from optlab.models.describe import Description
from optlab.progress import Progress
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.results.measurement import Measurement, MeasurementSoFar, Seconds
from optlab.store import artefacts

VARIABLE = "OPTLAB_STREAMING"
"""Of the environment: `always` and `never` decide it; else it is done where the model does not fit into memory."""


def chosen(recipe: Recipe, protocol: Protocol, description: Description) -> bool:
    """Whether measuring `recipe` goes block by block.

    Raises RecipeError where the model does not fit into the memory of this machine and the recipe needs it whole.
    """
    asked = os.environ.get(VARIABLE, "").strip().lower()
    if asked in ("always", "never"):
        return asked == "always"
    if fits(recipe, protocol, description):
        return False
    from optlab.models.device import choose_device
    from optlab.streaming import why_not

    if choose_device(protocol.device).type != "cpu":
        return False
    reason = why_not(recipe, description.parameters)
    if reason is not None:
        raise RecipeError(
            "{reason}; this machine has {gigabytes:.1f} GB, in which a recipe of rtn, gptq or wanda goes block by "
            "block",
            reason=reason,
            gigabytes=psutil.virtual_memory().total / 1e9,
        )
    return True


def fits(recipe: Recipe, protocol: Protocol, description: Description) -> bool:
    """Whether this machine has the memory to measure `recipe` with both models whole."""
    return memory_bytes(recipe, protocol, description) <= psutil.virtual_memory().total


def measure(
    name: str,
    recipe: Recipe,
    protocol: Protocol,
    description: Description,
    progress: Progress,
    save: Path | None,
    log: Log,
) -> Measurement:
    """As `optlab.jobs.measure.measure`, without what needs a model in memory: timing, and the peak of a process.

    protocol: settled. Raises as `optlab.streaming.stream`.
    """
    from optlab.evaluation.size import weight_bytes
    from optlab.streaming import stream

    recipe.check_fits(description.linears, description.matrices)
    if description.context_length < protocol.context:
        raise ModelError(
            "{name} reads at most {limit} tokens at once; use a context of {limit} or less",
            name=name,
            limit=description.context_length,
        )
    folder = artefacts.folder(artefacts.key(description.fingerprint, recipe, protocol))
    with compute_lock(), sealed.building(folder) as unfinished:
        known = Telling(progress, MeasurementSoFar(size_base=description.size_bytes))
        found = stream(name, recipe, protocol, unfinished, known)
    if save is not None:
        shutil.copytree(folder, save, dirs_exist_ok=True, ignore=shutil.ignore_patterns(sealed.CHECKSUMS))
    log(f"compressed in {found.compress_seconds:.1f} s, evaluated in {found.evaluate_seconds:.1f} s; see {folder}")
    note = say("The model was read block by block, because it is larger than memory; nothing was timed.")
    if fits(recipe, protocol, description):
        note = say("The model was read block by block, because {variable} asks for it; nothing was timed.",
                   variable=VARIABLE)  # fmt: skip
    progress(1.0, say("done"))
    return answer(
        name, recipe, protocol, found.model, found.passage, found.quality,
        {"base": description.size_bytes, "candidate": weight_bytes(folder)},
        seconds=Seconds(compress=found.compress_seconds, evaluate=found.evaluate_seconds),
        layers=tuple(found.layers),
        notes=(*found.notes, note),
        folder=save or folder,
        device="cpu",
    )  # fmt: skip
