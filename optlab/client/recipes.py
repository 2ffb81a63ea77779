"""Recipes that were measured or asked for before, as pages offer them again."""

from __future__ import annotations

from collections.abc import Iterator

from optlab.client.client import Client
from optlab.distill.control import is_distillation
from optlab.errors import RecipeError
from optlab.jobs.measure import MEASURE
from optlab.recipes import Recipe
from optlab.results.document import UnreadableError
from optlab.store.run import Status

LOOKED_BACK = 100
"""Runs that are looked through for the last student."""


def measured_recipes(client: Client, model: str) -> list[Recipe]:
    """Each recipe with steps that was measured on `model` and that this version knows, the newest first."""
    found: dict[str, Recipe] = {}
    for recipe in _asked(client, model, Status.DONE):
        if not recipe.is_original:
            found.setdefault(recipe.content_hash, recipe)
    return list(found.values())


def last_student(client: Client, model: str) -> Recipe | None:
    """The newest distillation that was asked for with `model` as the teacher, whatever became of it; no control."""
    asked = _asked(client, model, limit=LOOKED_BACK)
    return next((one for one in asked if is_distillation(one) and one.steps[0].values["alpha"] != 1.0), None)


def _asked(client: Client, model: str, status: str | None = None, limit: int | None = None) -> Iterator[Recipe]:
    for run in client.runs("measure", status, limit, model):
        try:
            yield MEASURE.spec_of(run).known_recipe
        except (RecipeError, UnreadableError):  # of a version with other methods
            continue
