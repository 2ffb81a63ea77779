"""A run that times original and compressed model at several prompt lengths and with several texts at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from optlab.errors import MeasurementError
from optlab.jobs import model_cache
from optlab.jobs.registry import Log
from optlab.jobs.resolution import settled
from optlab.machine.locks import compute_lock
from optlab.messages import say
from optlab.progress import Progress, silent, span
from optlab.protocol import Protocol
from optlab.recipes import Recipe

if TYPE_CHECKING:
    from optlab.kernels.batch import Batch
    from optlab.kernels.runtime import Runtime


def execute(spec: dict[str, Any], progress: Progress, log: Log) -> dict[str, Any]:
    """spec: {"model", "recipe", "protocol"} and, where they were chosen, "prompts" and "batches".

    Raises whatever `time_grid` raises.
    """
    recipe, protocol = Recipe.from_dict(spec["recipe"]), Protocol.model_validate(spec["protocol"])
    return time_grid(spec["model"], recipe, protocol, spec.get("prompts"), spec.get("batches"), progress, log)


def time_grid(
    name: str,
    recipe: Recipe,
    protocol: Protocol,
    prompts: Sequence[int] | None = None,
    batches: Sequence[int] | None = None,
    progress: Progress = silent,
    log: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Time `name` and `recipe` on it (only `name` when the recipe has no steps) in turns, alone on the machine.

    prompts, batches: as for `optlab.evaluation.latency_grid.sizes`. Returns {"cells": {side: [`Cell`]}, "sides":
    {side: {"path", "notes", "bytes_per_token", "weights_per_token", "bytes_per_position"}}, "limits":
    {"read_bytes_per_s", "operations_per_s"}, "model", "recipe", "dtype", "device", "environment"}; the side "candidate"
    is the compressed model. Partial results hold "cells". Raises ModelError, RecipeError, MeasurementError (a model
    that does not decode, keys and values that are rounded, no prompt that fits), Cancelled.
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
        runtimes: dict[str, Runtime] = {"base": runtime(model, protocol.dtype, room)}
        if recipe.steps:
            compressed, folder = packed(model, recipe, protocol, span(progress, 0.05, 0.2))
            log(f"the packed model is in {folder}")
            runtimes["candidate"] = runtime(compressed, protocol.dtype, room)

    def waiting() -> None:
        progress(0.2, say("waiting until nothing else computes, to time alone"))

    def cells(fraction: float, message: str, partial: dict[str, Any] | None = None) -> None:
        progress(fraction, message, None if partial is None else {"cells": partial})

    waiting()
    with compute_lock(exclusive=True, waiting=waiting):
        limits = {"read_bytes_per_s": read_bandwidth(), "operations_per_s": multiplication_speed(protocol.dtype)}
        makers: dict[str, Callable[[int], Batch]] = {side: partial(batch, one) for side, one in runtimes.items()}
        found = latency_grid(makers, ids, lengths, counts, progress=span(cells, 0.2, 1.0))
    return {
        "model": name,
        "recipe": recipe.to_dict(),
        "dtype": protocol.dtype,
        "device": str(model.device),
        "cells": {side: [cell.to_dict() for cell in some] for side, some in found.items()},
        "sides": {side: _side(one) for side, one in runtimes.items()},
        "limits": limits,
        "environment": environment.record(),
    }


def _side(runtime: Runtime) -> dict[str, Any]:
    from optlab.evaluation.latency import what_it_reads

    return {"path": runtime.path, "notes": runtime.notes, **what_it_reads(runtime)}
