"""What a knob can be set to on this model, so that no combination that a page offers is refused later."""

from __future__ import annotations

from collections.abc import Iterable
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


def first_recipe(bits: int, description: Description) -> Recipe:
    """The recipe that a newcomer tries: the default quantization at `bits`, the rest as its author set it."""
    name = DEFAULT_METHOD["quantize"]
    parameters = [fitted(parameter, description) for parameter in method("quantize", name).parameters]
    values = {parameter.name: parameter.default for parameter in parameters}
    return Recipe.of(Step("quantize", name, {**values, "bits": bits}))


def _nearest(wanted: Value, choices: tuple[Value, ...]) -> Value:
    if wanted in choices:
        return wanted
    sizes = [choice for choice in choices if isinstance(choice, int)]
    if not isinstance(wanted, int) or not sizes:
        return choices[0] if choices else None
    return min(sizes, key=lambda size: abs(size - wanted))
