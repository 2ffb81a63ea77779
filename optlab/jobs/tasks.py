"""A run that asks original and compressed model the same task, from the artefact that was measured."""

from __future__ import annotations

from optlab.jobs import model_cache
from optlab.jobs.kind import JobKind, Log
from optlab.jobs.resolution import title
from optlab.machine.locks import compute_lock
from optlab.messages import say
from optlab.progress import Progress, span
from optlab.results.document import Nothing
from optlab.results.tasks import TasksSpec, Topics
from optlab.store import artefacts


def execute(spec: TasksSpec, progress: Progress, log: Log) -> Topics:
    """How often each of both tells what an article is about (`optlab.evaluation.topics.compare`).

    Raises ModelError when the model does not continue a text, TextError without the articles, whatever compression
    raises, and Cancelled.
    """
    from optlab.evaluation.topics import ARTICLES, compare
    from optlab.jobs.compressed_cache import packed
    from optlab.texts.topics import articles

    protocol = spec.protocol
    with compute_lock():
        model = model_cache.model(spec.model, "float32", protocol.device, span(progress, 0.0, 0.1))
        compressed, _ = packed(model, spec.known_recipe, protocol, span(progress, 0.1, 0.3))
        asked = articles(ARTICLES)
        log(f"asking for the topic of {len(asked)} articles")
        sides = (model.to(dtype=protocol.dtype), compressed.model.to(dtype=protocol.dtype))
        return compare(*sides, asked, span(progress, 0.3, 1.0))


TASKS = JobKind(
    name="tasks", label="task", spec=TasksSpec, partial=Nothing, result=Topics, execute=execute,
    decides=lambda spec, weights: [
        artefacts.key(weights, spec.known_recipe, spec.protocol), spec.protocol.dtype, spec.protocol.device,
    ],
    title=lambda spec: say(
        "{model}: {what}, {recipe}", model=title(spec.model), what=say("topics"), recipe=spec.known_recipe.describe()
    ),
    portable=True,
)  # fmt: skip
