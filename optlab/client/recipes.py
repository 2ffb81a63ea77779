"""Recipes that were measured or asked for before, as pages offer them again."""

from __future__ import annotations

from collections.abc import Iterator

from optlab.client.client import Client
from optlab.distill.control import is_distillation
from optlab.errors import RecipeError
from optlab.jobs.measure import MEASURE
from optlab.recipes import Recipe
from optlab.results.document import UnreadableError

LOOKED_BACK = 100
"""Runs that are looked through for the last student."""


def measured_recipes(client: Client, model: str, most: int | None = None) -> list[Recipe]:
    """Each recipe with steps that was measured on `model` and that this version knows, the newest first; no more
    than `most`."""
    found: dict[str, Recipe] = {}
    for one in client.measurements(model):
        recipe = one.spec.recipe
        if isinstance(recipe, Recipe) and not recipe.is_original and one.recipe_hash not in found:
            found[one.recipe_hash] = recipe
            if len(found) == most:
                break
    return list(found.values())


def last_student(client: Client, model: str) -> Recipe | None:
    """The newest distillation that was asked for with `model` as the teacher, whatever became of it; no control."""
    asked = _asked(client, model)
    return next((one for one in asked if is_distillation(one) and one.steps[0].values["alpha"] != 1.0), None)


def _asked(client: Client, model: str) -> Iterator[Recipe]:
    for run in client.runs("measure", limit=LOOKED_BACK, model=model):
        try:
            yield MEASURE.spec_of(run).known_recipe
        except (RecipeError, UnreadableError):  # of a version with other methods
            continue
