"""The control of a student: what the text alone would have taught it, so that the teacher's worth is a difference."""

from __future__ import annotations

from optlab.distill.distillation import COMMON
from optlab.methods import DEFAULT_METHOD
from optlab.recipes import Recipe, Step


def is_distillation(recipe: Recipe) -> bool:
    """Whether a recipe trains a student and does nothing else."""
    return len(recipe.steps) == 1 and recipe.steps[0].kind == "distill"


def control(recipe: Recipe) -> Recipe:
    """The same student, start, text and time, taught by the text alone; one for all losses and temperatures."""
    values = recipe.steps[0].values
    same = {p.name: values[p.name] for p in COMMON if p.name != "temperature"}
    return Recipe.of(Step("distill", DEFAULT_METHOD["distill"], same | {"alpha": 1.0}))
