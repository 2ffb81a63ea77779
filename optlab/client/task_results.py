"""What was asked of a measured compression: its tasks that are in the store, each with its result."""

from __future__ import annotations

from optlab.client.client import Client
from optlab.evaluation.tasks import tasks
from optlab.jobs.measured import MeasuredRun
from optlab.jobs.tasks import TASKS
from optlab.recipes import Recipe
from optlab.results.tasks import TaskResult


def answered(client: Client, run: MeasuredRun) -> dict[str, TaskResult]:
    """By task, in the order of the registry; none for a recipe that this version of OptLab does not know."""
    spec = run.spec
    if not isinstance(spec.recipe, Recipe):
        return {}
    runs = {one.name: client.find_task(one.name, spec.model, spec.recipe, spec.protocol) for one in tasks()}
    results = {name: TASKS.result_of(one) for name, one in runs.items() if one is not None}
    return {name: result for name, result in results.items() if result is not None}
