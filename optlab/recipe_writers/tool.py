"""What another tool is asked to do: which steps it knows, and who writes them down in its words.

The settings are the same, the work is not: every tool searches ranges and orders columns in its own way. Whoever wants
to know what became of it measures the tool's file (`optlab compare`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from optlab.errors import RecipeError
from optlab.recipes import Recipe, Step

Names = Sequence[str]
"""Linear layers of the decoder blocks of a model; empty where no model was named."""


@dataclass(frozen=True)
class Tool:
    """name: on the command line. label: as its makers spell it. file_name, language: of the text. knows: kind of step
    -> the methods that have a counterpart there. write: the text for a recipe that was checked against `knows`."""

    name: str
    label: str
    file_name: str
    language: str
    knows: Mapping[str, Sequence[str]]
    write: Callable[[Recipe, Names], str]

    def text(self, recipe: Recipe, names: Names = ()) -> str:
        """`recipe` for this tool. Raises RecipeError with one sentence on the first thing that it cannot express."""
        if not recipe.steps:
            raise RecipeError("this recipe has no steps, so {tool} has nothing to do", tool=self.label)
        for step in recipe.steps:
            if step.method not in self.knows.get(step.kind, ()):
                known = [f"{kind} {method}" for kind, methods in self.knows.items() for method in methods]
                raise RecipeError(
                    "{tool} has no counterpart of {kind} {method}; it has one of {known}",
                    tool=self.label, kind=step.kind, method=step.method, known=", ".join(known),
                )  # fmt: skip
            self._check_zero_point(step)
        quantized = [step for step in recipe.steps if step.kind == "quantize"]
        if len(quantized) > 1 and not all(step.layers for step in quantized):
            raise RecipeError("{tool} rounds each layer once; name the layers of every quantize step", tool=self.label)
        for name in names:
            if sum(step.matches(name) for step in quantized) > 1:  # there the first rule wins, here the last step
                raise RecipeError(
                    "{tool} rounds each layer once, and two steps of this recipe round {name}",
                    tool=self.label,
                    name=name,
                )
        return self.write(recipe, names)

    def refused(self, recipe: Recipe, names: Names = ()) -> RecipeError | None:
        """Why `recipe` cannot be written; None where it can."""
        try:
            self.text(recipe, names)
        except RecipeError as error:
            return error
        return None

    def _check_zero_point(self, step: Step) -> None:
        if step.values.get("zero_point") == "float" and not step.values.get("symmetric"):
            raise RecipeError(
                "{tool} stores whole zero points only; use zero_point: integer or symmetric: true", tool=self.label
            )


def group_size_of(step: Step) -> int:
    """Weights that share a scale; -1 for a whole row, as most tools write it."""
    size = step.values["group_size"]
    return -1 if size is None else int(size)
