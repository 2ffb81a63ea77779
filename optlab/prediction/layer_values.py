"""One number for each layer, read from a recipe and written back into it: its bits, or its share of zeros."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from optlab.errors import RecipeError
from optlab.models.describe import Description
from optlab.prediction.mixed import recipe_of
from optlab.recipes import Recipe, Step


@dataclass(frozen=True)
class Quantity:
    """kind: of the steps that set it; key: of their parameter; untouched: what stands for a layer that they leave."""

    kind: str
    key: str
    untouched: float

    def read(self, step: Step) -> float:
        """What `step` sets a layer to."""
        return float(step.values[self.key] or self.untouched)


BITS = Quantity("quantize", "bits", 16)
ZEROS = Quantity("prune", "sparsity", 0.0)
EVEN = {"pattern": "unstructured", "allocation": "uniform", "scope": "layer"}
"""What a pruning must say, where it says anything, so that each layer may have a share of its own."""


def offered(recipe: Recipe, quantity: Quantity) -> Step | None:
    """The step whose number can be set layer by layer; None when the recipe has none, or different ones."""
    steps = [step for step in recipe.steps if step.kind == quantity.kind]
    alike = {
        (step.method, tuple(sorted((k, str(v)) for k, v in step.values.items() if k != quantity.key))) for step in steps
    }
    if len(alike) != 1 or quantity.key not in steps[0].values:
        return None
    fits = all(steps[0].values.get(name, even) == even for name, even in EVEN.items())
    return steps[0] if fits or quantity.kind != "prune" else None


def values_of(recipe: Recipe, description: Description, quantity: Quantity) -> dict[str, float]:
    """Layer -> its number; the last step that names a layer counts, `untouched` where none does."""
    names = [name for name, _ in description.linears]
    found = dict.fromkeys(names, quantity.untouched)
    for step in recipe.steps:
        if step.kind == quantity.kind:
            found |= {name: quantity.read(step) for name in names if not step.layers or step.matches(name)}
    return found


def average(description: Description, values: Mapping[str, float]) -> float:
    """The mean of the layers' numbers over their weights."""
    weights = {name: out * width for name, (out, width) in description.linears}
    return sum(value * weights[name] for name, value in values.items()) / sum(weights[name] for name in values)


def with_values(recipe: Recipe, quantity: Quantity, values: Mapping[str, float]) -> Recipe:
    """`recipe` with these numbers; prunings stay before all other steps, quantizations after. Raises RecipeError."""
    step = offered(recipe, quantity)
    if step is None:
        raise RecipeError(
            "this recipe has no {kind} step whose {key} can be set layer by layer",
            kind=quantity.kind,
            key=quantity.key,
        )
    others = tuple(one for one in recipe.steps if one.kind != quantity.kind)
    cast = int if quantity is BITS else float

    def at(value: float) -> Step:
        return Step(step.kind, step.method, {**step.values, quantity.key: cast(value)})

    if len(set(values.values())) == 1 and quantity.untouched not in values.values():
        own: tuple[Step, ...] = (at(next(iter(values.values()))),)
    else:
        own = recipe_of({n: [at(value)] for n, value in values.items() if value != quantity.untouched}).steps
    return Recipe((*own, *others) if quantity.kind == "prune" else (*others, *own))
