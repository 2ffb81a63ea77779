"""A run that times original and compressed model at several prompt lengths and with several texts at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from optlab.errors import MeasurementError
from optlab.jobs import model_cache
from optlab.jobs.kind import JobKind, Log
from optlab.jobs.resolution import digest, settled, title
from optlab.machine.identity import machine_id
from optlab.machine.locks import compute_lock
from optlab.messages import say
from optlab.progress import Progress, silent, span
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.results.latency_grid import (
    Cells,
    GridSide,
    GridSides,
    LatencyGrid,
    LatencyGridSoFar,
    LatencyGridSpec,
    Limits,
)
from optlab.store import artefacts

if TYPE_CHECKING:
    from optlab.kernels.batch import Batch
    from optlab.kernels.runtime import Runtime


def execute(spec: LatencyGridSpec, progress: Progress, log: Log) -> LatencyGrid:
    """Raises whatever `time_grid` raises."""
    return time_grid(spec.model, spec.known_recipe, spec.protocol, spec.prompts, spec.batches, progress, log)


def time_grid(
    name: str,
    recipe: Recipe,
    protocol: Protocol,
    prompts: Sequence[int] | None = None,
    batches: Sequence[int] | None = None,
    progress: Progress = silent,
    log: Log = lambda line: None,
) -> LatencyGrid:
    """Time `name` and `recipe` on it (only `name` when the recipe has no steps) in turns, alone on the machine.

    prompts, batches: as for `optlab.evaluation.latency_grid.sizes`. Raises ModelError, RecipeError,
    MeasurementError (a model that does not decode, keys and values that are rounded, no prompt that fits), Cancelled.
    """
    from optlab import texts
    from optlab.evaluation import environment
    from optlab.evaluation.latency_grid import NEW_TOKENS, latency_grid, sizes
    from optlab.jobs.compressed_cache import packed
    from optlab.kernels.batch import batch
    from optlab.kernels.limits import multiplication_speed, read_bandwidth
    from optlab.kernels.runtime import runtime

    protocol = settled(name, protocol)
    with compute_lock():
        model = model_cache.model(name, "float32", protocol.device, span(progress, 0.0, 0.05))
        if model.objective != "causal":
            raise MeasurementError(
                "{name} fills gaps and does not write token by token, so it has no such speed", name=name
            )
        lengths, counts = sizes(prompts, batches, model.description.context_length)
        ids = texts.evaluation_tokens(str(protocol.text), model.tokenizer, max(lengths), model.framing(protocol.bos))
        room = max(lengths) + NEW_TOKENS
        runtimes: dict[str, Runtime] = {"base": runtime(model, protocol.decodes_in, room)}
        if recipe.steps:
            compressed, folder = packed(model, recipe, protocol, span(progress, 0.05, 0.2))
            log(f"the packed model is in {folder}")
            runtimes["candidate"] = runtime(compressed, protocol.decodes_in, room)

    def waiting() -> None:
        progress(0.2, say("waiting for other runs to finish before timing"))

    def cells(fraction: float, message: str, partial: object = None) -> None:
        progress(fraction, message, LatencyGridSoFar(cells=partial) if isinstance(partial, Cells) else None)

    waiting()
    with compute_lock(exclusive=True, waiting=waiting):
        limits = Limits(read_bytes_per_s=read_bandwidth(), operations_per_s=multiplication_speed(protocol.decodes_in))
        makers: dict[str, Callable[[int], Batch]] = {side: partial(batch, one) for side, one in runtimes.items()}
        found = latency_grid(makers, ids, lengths, counts, progress=span(cells, 0.2, 1.0))
    return LatencyGrid(
        model=name,
        recipe=recipe,
        dtype=protocol.decodes_in,
        device=str(model.device),
        cells=found,
        sides=GridSides(**{side: _side(one) for side, one in runtimes.items()}),
        limits=limits,
        environment=environment.record(),
    )


def _side(runtime: Runtime) -> GridSide:
    from optlab.evaluation.latency import what_it_reads

    return GridSide(path=runtime.path, notes=tuple(runtime.notes), **what_it_reads(runtime))


def _chosen(spec: LatencyGridSpec) -> dict[str, tuple[int, ...]]:
    asked = {"prompts": spec.prompts, "batches": spec.batches}
    return {name: values for name, values in asked.items() if values}


LATENCY_GRID = JobKind(
    name="latency_grid", label="latency grid", spec=LatencyGridSpec, partial=LatencyGridSoFar, result=LatencyGrid,
    execute=execute,
    decides=lambda spec, weights: [
        artefacts.key(weights, spec.known_recipe, spec.protocol), spec.protocol.decodes_in, spec.protocol.device,
        machine_id(), *([digest(chosen)] if (chosen := _chosen(spec)) else []),
    ],
    title=lambda spec: say(
        "{model}: {what}, {recipe}", model=title(spec.model), what=say("speeds"), recipe=spec.known_recipe.describe()
    ),
    formerly=("speeds",),
    portable=True,
)  # fmt: skip
