"""One measurement from beginning to end: a model and a recipe in, the JSON contract of the command line out.

The compressed model is written first, because what is evaluated, timed and shown as a size must be that file. Then
quality (both models in one pass over the text), then latency (alone on the machine), then the peak memory of a process
of its own for either side. What happened to each layer comes last: it reads a calibration text, and nobody should wait
for that to see a perplexity.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from optlab.errors import ModelError
from optlab.forecast.choice import way_of
from optlab.jobs import durations, model_cache, streamed
from optlab.jobs.answer import answer
from optlab.jobs.baseline import peak_memory_beside
from optlab.jobs.kind import JobKind, Log
from optlab.jobs.measure_plan import COMPRESS, LATENCY, LAYERS, MEMORY, QUALITY, READ, plan
from optlab.jobs.resolution import deciding, settled, text_identity, title
from optlab.jobs.sides import compared, timed_in_turns
from optlab.machine.identity import machine_id
from optlab.machine.locks import compute_lock
from optlab.messages import Joined, say
from optlab.models.describe import describe_apart
from optlab.progress import Progress, silent, span
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.results.measurement import Measurement, MeasurementSoFar, MeasureSpec, Seconds
from optlab.results.training import TrainingSoFar
from optlab.store import artefacts
from optlab.time_left import Phases

if TYPE_CHECKING:
    from optlab.compression import Compressed
    from optlab.models.language_model import LanguageModel


def execute(spec: MeasureSpec, progress: Progress, log: Log) -> Measurement:
    """Raises whatever `measure` raises."""
    return measure(spec.model, spec.known_recipe, spec.protocol, progress, log=log)


def measure(
    name: str,
    recipe: Recipe,
    protocol: Protocol,
    progress: Progress = silent,
    save: Path | None = None,
    log: Log = lambda line: None,
) -> Measurement:
    """Compress `name` by `recipe` and measure both.

    save: a folder for the compressed model; None keeps it in the cache. Raises ModelError, RecipeError, TextError,
    MeasurementError (a model that yields no numbers, a full disk), Cancelled.
    """
    from optlab import texts
    from optlab.evaluation.latency import speedup
    from optlab.evaluation.size import weight_bytes
    from optlab.jobs.compressed_cache import reported

    protocol = settled(name, protocol)
    learned = durations.load()
    description = describe_apart(name, span(progress, 0.0, 0.0))
    if way_of(recipe, protocol, description) == "blocks":
        return streamed.measure(name, recipe, protocol, description, progress, save, log)
    parts = plan(recipe, protocol, description, learned)
    phases = Phases(progress, {part: learned.expected(work) or 0.0 for part, work in parts.items()})
    text, calibration = str(protocol.text), str(protocol.calibration)
    with compute_lock():
        with phases.phase(READ) as report:
            base = model_cache.model(name, "float32", protocol.device, report)
        recipe.check_fits(base.description.linears, base.description.matrices)
        if any(step.instance().needs_calibration for step in recipe.steps):
            texts.check_apart(text, calibration)
        if base.description.context_length < protocol.context:
            limit = base.description.context_length
            raise ModelError(
                "{name} reads at most {limit} tokens at once; use a context of {limit} or less",
                name=name,
                limit=limit,
            )
        framing = base.framing(protocol.bos)
        passage = texts.evaluation_passage(text, base.tokenizer, protocol.tokens, protocol.context, framing)

        with phases.phase(COMPRESS) as report:
            compressed, folders = _compress(base, recipe, protocol, save, _of_training(report))
        folder = folders[-1]
        log(f"compressed in {phases.took[COMPRESS]:.1f} s; the file is in {folder}")
        sizes = {"base": base.description.size_bytes, "candidate": weight_bytes(folder)}
        so_far = MeasurementSoFar(
            size_base=sizes["base"], size_candidate=sizes["candidate"],
            training=TrainingSoFar(training=compressed.trainings[-1]) if compressed.trainings else None,
        )  # fmt: skip

        with phases.phase(QUALITY) as report:
            quality, so_far, _ = compared(base, compressed.model, passage, protocol, so_far, report, log)
            report(1.0, say("measuring quality"), so_far)

    timed, bandwidth, speed, memory = None, None, {}, {}
    if LATENCY in parts:
        with phases.phase(LATENCY) as report:
            timed, bandwidth = timed_in_turns(base, compressed, framing.over(passage.ids), protocol, report)
    if timed:
        speed = speedup(timed)._asdict()
        so_far = so_far.model_copy(update={"latency": timed, **speed})
    with compute_lock():
        if MEMORY in parts:
            with phases.phase(MEMORY) as report:
                report(0.0, say("measuring peak memory"), so_far)
                memory = _memory(base, folder, protocol, report)
        with phases.phase(LAYERS) as report:
            reported(compressed, base, protocol, folders, report)
    progress(1.0, say("done"))
    durations.learn([(parts[part], took) for part, took in phases.took.items()])
    return answer(
        name, recipe, protocol, base, passage, quality, sizes,
        seconds=Seconds(
            compress=phases.took[COMPRESS], evaluate=phases.took[QUALITY], latency=phases.took.get(LATENCY, 0.0)
        ),
        layers=tuple(compressed.layers),
        trainings=tuple(compressed.trainings),
        notes=tuple(compressed.notes),
        folder=folder,
        timed=timed,
        bandwidth=bandwidth,
        memory=memory,
    )  # fmt: skip


def _of_training(progress: Progress) -> Progress:
    """A progress that takes the state of a training for what is known of the measurement."""

    def told(fraction: float, message: str, partial: object = None) -> None:
        known = MeasurementSoFar(training=partial) if isinstance(partial, TrainingSoFar) else None
        progress(fraction, message, known)

    return told


def _compress(
    base: LanguageModel, recipe: Recipe, protocol: Protocol, save: Path | None, progress: Progress
) -> tuple[Compressed, list[Path]]:
    """The compressed model and the folders its file is in, the one asked for last; its weights are those of the
    file."""
    from optlab.jobs.compressed_cache import packed
    from optlab.kernels.artefact import save as write

    compressed, folder = packed(base, recipe, protocol, progress)
    if save is None:
        return compressed, [folder]
    write(compressed, save, progress)
    return compressed, [folder, save]


def _memory(base: LanguageModel, folder: Path, protocol: Protocol, progress: Progress) -> dict[str, int]:
    import torch

    from optlab.kernels.runtime import refusal

    if refusal(base):
        return {}
    threads = torch.get_num_threads()  # as many as this run was given
    original, candidate = peak_memory_beside(base, folder, protocol.decodes_in, protocol.device, progress, threads)
    assert candidate is not None
    return {"base": original, "candidate": candidate}


def _decides(spec: MeasureSpec, weights: str) -> list[object]:
    """A perplexity belongs to no machine, a latency does."""
    settings = deciding(spec.protocol, "text", "calibration")
    texts = [text_identity(name) for name in (spec.protocol.text, spec.protocol.calibration)]
    if settings["bos"] == "auto":
        del settings["bos"]  # as before it could be asked; a model that it changes has another fingerprint
    place = machine_id() if spec.protocol.latency else None
    return [artefacts.FORMAT, weights, spec.known_recipe.content_hash, texts, settings, place]


MEASURE = JobKind(
    name="measure", label="measurement", spec=MeasureSpec, partial=MeasurementSoFar, result=Measurement,
    execute=execute, decides=_decides,
    title=lambda spec: Joined(": ", [title(spec.model), spec.known_recipe.describe()]),
    portable=True,
    modules=(
        "optlab.models", "optlab.compression", "optlab.evaluation.compare", "optlab.evaluation.latency",
        "optlab.evaluation.environment", "optlab.kernels.artefact", "optlab.kernels.runtime",
    ),
    builds=("optlab.kernels.native.library:library",),
)  # fmt: skip
