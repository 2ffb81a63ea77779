"""Recipes that are one recipe but for the numbers on its knobs: what a person walks through who drags a slider."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from optlab.errors import RecipeError
from optlab.knobs import of_words
from optlab.methods import Parameter, Value, method
from optlab.recipes import Recipe, Step

KNOBS = {"quantize": "bits", "prune": "sparsity", "distill": "temperature"}
"""kind of step -> its parameter that a family varies."""
STEPS = {"bits": 1.0, "sparsity": 0.05, "temperature": 0.5}
"""How far apart the settings of a knob are, unless told otherwise."""
LARGEST_TEMPERATURE = 8.0


@dataclass(frozen=True)
class RecipeFamily:
    """`recipe` at every combination of settings. An empty axis is a knob that the recipe does not have (exactly once):
    its steps stay as they are. Settings of an axis rise.

    bits: of its quantization. sparsities: of its pruning. temperatures: of its distillation. Raises RecipeError for an
    axis whose knob the recipe does not have, and for a setting that its method refuses.
    """

    recipe: Recipe
    bits: tuple[int, ...] = ()
    sparsities: tuple[float, ...] = ()
    temperatures: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for kind, settings in self._axes():
            if settings and _single(self.recipe, kind) is None:
                raise RecipeError(
                    "this recipe has no single {knob} to vary: it needs exactly one {kind} step that has it",
                    knob=KNOBS[kind],
                    kind=kind,
                )
            if list(settings) != sorted(set(settings)):
                raise RecipeError("the settings of {knob} must rise, each once", knob=KNOBS[kind])

    @classmethod
    def around(cls, recipe: Recipe) -> RecipeFamily:
        """The family of `recipe` over the whole range of every knob that it has; its own setting is among them."""
        bits, sparsities, temperatures = (_settings(_single(recipe, kind)) for kind in KNOBS)
        return cls(recipe, tuple(int(bit) for bit in bits), sparsities, temperatures)

    @property
    def shape(self) -> tuple[int, int, int]:
        """How many settings each axis has, in the order bits, sparsities, temperatures; 1 for an empty one."""
        bits, sparsities, temperatures = (max(len(settings), 1) for _, settings in self._axes())
        return bits, sparsities, temperatures

    def recipes(self) -> list[Recipe]:
        """Every recipe; the last axis (temperatures) runs fastest."""
        (_, bits), (_, sparsities), (_, temperatures) = self._axes()
        return [
            self._at(*settings) for settings in product(bits or (None,), sparsities or (None,), temperatures or (None,))
        ]

    def _axes(self) -> list[tuple[str, Sequence[float]]]:
        return list(zip(KNOBS, (self.bits, self.sparsities, self.temperatures), strict=True))

    def _at(self, *settings: Value) -> Recipe:
        wanted = dict(zip(KNOBS, settings, strict=True))
        return Recipe(
            tuple(
                step
                if of_words(step) or wanted.get(step.kind) is None
                else _with(step, KNOBS[step.kind], wanted[step.kind])
                for step in self.recipe.steps
            )
        )


def _with(step: Step, knob: str, value: Value) -> Step:
    return replace(step, values={**step.values, knob: value})


def _single(recipe: Recipe, kind: str) -> tuple[Parameter, float] | None:
    """The knob of the one step of a kind, and its setting; None where there is no such step, or several. A quantization
    of embedding and head alone has none."""
    steps = [step for step in recipe.steps if step.kind == kind and not of_words(step)]
    if len(steps) != 1:
        return None
    (step,) = steps
    knob = next((p for p in method(kind, step.method).parameters if p.name == KNOBS[kind]), None)
    value = step.values.get(KNOBS[kind])
    return None if knob is None or value is None else (knob, float(value))


def _settings(found: tuple[Parameter, float] | None) -> tuple[float, ...]:
    """The settings of a knob at even distances, and the one that it has."""
    if found is None:
        return ()
    knob, now = found
    if knob.choices is not None:
        return tuple(sorted(float(choice) for choice in knob.choices if choice is not None))
    low, high = float(knob.minimum or 0.0), float(knob.maximum if knob.maximum is not None else now)
    if knob.name == "temperature":
        high = max(min(high, LARGEST_TEMPERATURE), now)
    distance = STEPS[knob.name]
    first = np.ceil(low / distance - 1e-9) * distance
    even = [round(float(value), 6) for value in np.arange(first, high + 1e-9, distance)]
    return tuple(sorted({*even, now}))
