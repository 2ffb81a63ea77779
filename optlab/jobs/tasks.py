"""A run that asks original and compressed model the questions of one task, from the artefact that was measured."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from optlab.evaluation.tasks import REGISTRY, task
from optlab.jobs import model_cache
from optlab.jobs.kind import JobKind, Log
from optlab.jobs.resolution import title
from optlab.machine.locks import compute_lock
from optlab.messages import say
from optlab.progress import Progress, span
from optlab.results.document import Nothing
from optlab.results.tasks import TaskResult, TasksSpec
from optlab.store import artefacts

if TYPE_CHECKING:
    from optlab.evaluation.choices import Known


def execute(spec: TasksSpec, progress: Progress, log: Log) -> TaskResult:
    """How each of both does a task (`optlab.evaluation.choices.ask`).

    Raises MeasurementError for a task that does not exist, ModelError when the model does not continue a text,
    TextError without what the questions are made of, whatever compression raises, and Cancelled.
    """
    from optlab.evaluation import writing
    from optlab.evaluation.choices import ask
    from optlab.jobs.compressed_cache import packed

    asked, protocol = task(spec.task), spec.protocol
    with compute_lock():
        model = model_cache.model(spec.model, "float32", protocol.device, span(progress, 0.0, 0.1))
        compressed, _ = packed(model, spec.known_recipe, protocol, span(progress, 0.1, 0.3))
        log(f"asking {spec.task}")
        base, candidate = (one.to(dtype=protocol.dtype) for one in (model, compressed.model))
        known = _answers_of(model.fingerprint, protocol.dtype, protocol.device, spec.task)
        if asked.new_tokens:
            told = _texts_of(model.fingerprint, protocol.dtype, protocol.device, spec.task)
            return writing.ask(base, candidate, asked, told, spec.known_tokens, span(progress, 0.3, 1.0))
        return ask(base, candidate, asked, known, spec.known_points, spec.known_tokens, span(progress, 0.3, 1.0))


@lru_cache(maxsize=64)
def _answers_of(fingerprint: str, dtype: str, device: str, name: str) -> Known:
    """What this process knows of an original's answers to a task: every recipe is compared with the same."""
    return {}


@lru_cache(maxsize=64)
def _texts_of(fingerprint: str, dtype: str, device: str, name: str) -> dict[int, str]:
    """What this process knows of what an original wrote, as `_answers_of`."""
    return {}


def _title(name: str) -> str:
    """Of a task; its name where this OptLab does not have it, as in an archive of a later one."""
    return say(task(name).title) if name in REGISTRY else name


TASKS = JobKind(
    name="tasks", label="task", spec=TasksSpec, partial=Nothing, result=TaskResult, execute=execute,
    decides=lambda spec, weights: [
        artefacts.key(weights, spec.known_recipe, spec.protocol), spec.protocol.dtype, spec.protocol.device, spec.task,
        spec.known_points, spec.known_tokens,
    ],
    title=lambda spec: say(
        "{model}: {what}, {recipe}", model=title(spec.model), what=_title(spec.task),
        recipe=spec.known_recipe.describe(),
    ),
    portable=True,
    version=2,
)  # fmt: skip
