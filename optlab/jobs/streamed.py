"""A measurement of a model that is larger than the memory of this machine: one block at a time (`optlab.streaming`)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from optlab import sealed
from optlab.errors import ModelError
from optlab.forecast.choice import VARIABLE
from optlab.jobs import durations
from optlab.jobs.answer import answer
from optlab.jobs.kind import Log
from optlab.jobs.measure_plan import COMPRESS, QUALITY, plan_by_blocks
from optlab.jobs.sides import Telling
from optlab.machine.locks import compute_lock
from optlab.messages import say
from optlab.models.describe import Description
from optlab.progress import Progress
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.results.measurement import Measurement, MeasurementSoFar, Seconds
from optlab.store import artefacts
from optlab.time_left import Phases

PASS = "pass"


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
    from optlab.forecast import rates
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
        rates.renew()
        parts, learned = plan_by_blocks(recipe, protocol, description), durations.load()
        expected = sum(learned.expected(work) or 0.0 for work in parts.values())
        with Phases(progress, {PASS: expected}).phase(PASS) as report:
            known = Telling(report, MeasurementSoFar(size_base=description.size_bytes))
            found = stream(name, recipe, protocol, unfinished, known)
    durations.learn([(parts[COMPRESS], found.compress_seconds), (parts[QUALITY], found.evaluate_seconds)])
    if save is not None:
        shutil.copytree(folder, save, dirs_exist_ok=True, ignore=shutil.ignore_patterns(sealed.CHECKSUMS))
    log(f"compressed in {found.compress_seconds:.1f} s, evaluated in {found.evaluate_seconds:.1f} s; see {folder}")
    note = say("The model was read block by block, because it is larger than memory; nothing was timed.")
    if os.environ.get(VARIABLE, "").strip():
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
