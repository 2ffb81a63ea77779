"""What a parameter can be set to on a given model, so that no combination that is offered is refused later.

Knobs of the pages and ready-made recipes (`optlab.presets`) start from what a method declares, and fit it here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from optlab.methods import DEFAULT_METHOD, Parameter, Value, divisors_for_groups, method
from optlab.models.describe import Description
from optlab.recipes import Recipe, Step


def fitted(parameter: Parameter, description: Description) -> Parameter:
    """`parameter` with the choices and limits that fit the model; most knobs fit every model and come back as they are.

    Group sizes must divide the inputs of every layer; a student has no more blocks than its teacher.
    """
    if parameter.name == "group_size" and parameter.choices is None:
        sizes = group_sizes(shape[1] for _, shape in description.linears)
        choices: tuple[Value, ...] = (*([None] if parameter.optional else []), *sizes)
        return replace(parameter, choices=choices, default=_nearest(parameter.default, choices))
    if parameter.name == "student_layers":
        return replace(parameter, maximum=float(description.blocks))
    return parameter


def group_sizes(widths: Iterable[int]) -> list[int]:
    """Sizes that divide every width, smallest first; empty when the widths share none worth offering."""
    offered = [set(divisors_for_groups(width)) for width in set(widths)]
    return sorted(set.intersection(*offered)) if offered else []


def fitted_step(
    kind: str, name: str, wanted: Mapping[str, Value], description: Description, layers: str | None = None
) -> Step:
    """A step with the values `wanted`, each moved to the nearest that fits the model; the rest as its author set it.

    Raises RecipeError where a value is refused for another reason than the model.
    """
    values: dict[str, Value] = {}
    for parameter in method(kind, name).parameters:
        fits = fitted(parameter, description)
        asked = wanted.get(parameter.name, fits.default)
        values[parameter.name] = _nearest(asked, fits.choices) if fits.choices and fits is not parameter else asked
    return Step(kind, name, {**wanted, **values}, layers)


def first_recipe(bits: int, description: Description) -> Recipe:
    """The recipe that a newcomer tries: the default quantization at `bits`."""
    return Recipe.of(fitted_step("quantize", DEFAULT_METHOD["quantize"], {"bits": bits}, description))


def _nearest(wanted: Value, choices: tuple[Value, ...]) -> Value:
    if wanted in choices:
        return wanted
    sizes = [choice for choice in choices if isinstance(choice, int)]
    if not isinstance(wanted, int) or not sizes:
        return choices[0] if choices else None
    return min(sizes, key=lambda size: abs(size - wanted))
