"""Three knobs stand for a recipe: bits, sparsity and temperature. The rest of it stays as it is while they move.

A knob at its end takes its step out of the recipe: no bits is unquantized, no sparsity prunes nothing, no temperature
trains nothing; the step comes back as it was. A recipe beyond that (two steps of a kind, another order, a method
without the knob) has no knobs, and an editor that shows steps is the place for it. What is predicted of them together:
`optlab.prediction.recipe_family`.

Embedding and head are no layers of the blocks: they follow the bits only where the quantization says so, or have a
quantization of their own, behind it, which no knob moves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from optlab.errors import RecipeError
from optlab.fitting import fitted_step
from optlab.methods import DEFAULT_METHOD, Parameter, method
from optlab.models.describe import Description
from optlab.recipes import Recipe, Step

ORDER = ("prune", "distill", "quantize", "cache")
"""Of the steps: training comes before quantization, because it would move weights off their grid."""
KNOB = {"quantize": "bits", "prune": "sparsity", "distill": "temperature"}
"""The parameter of each kind of step that a knob holds."""
EVERYTHING = ".*"
"""Embedding and head too, which a recipe touches only when it names them."""
WORDS = r".*\b(embed_tokens|embed_in|embed_out|wte|lm_head)"
"""Embedding and head of every family of causal models, as their checkpoints name them."""
TEMPERATURES = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
"""Stops of its knob: from sharper than the teacher to hardly any preference, about evenly spread by their logarithm."""


@dataclass(frozen=True)
class Knobs:
    """Where the knobs stand. bits: None is unquantized. sparsity: 0 prunes nothing. temperature: None trains
    nothing."""

    bits: int | None = None
    sparsity: float = 0.0
    temperature: float | None = None


@dataclass(frozen=True)
class KnobbedRecipe:
    """What stays. prune, distill, quantize: the step of each kind, whatever its knob says; a recipe has it unless the
    knob is at its end. No knob holds words, the quantization of embedding and head alone, nor cache."""

    prune: Step
    distill: Step
    quantize: Step
    words: Step | None = None
    cache: Step | None = None

    @classmethod
    def of(
        cls, recipe: Recipe, description: Description, before: Mapping[str, Step] | None = None
    ) -> KnobbedRecipe | None:
        """`recipe` with its knobs, None when it has none.

        before: for a kind that `recipe` lacks, the step that comes back when its knob is moved; the default method,
        fitted to the model, where there is none either.
        """
        if not has_knobs(recipe):
            return None
        now = {step.kind: step for step in recipe.steps if not of_words(step)}
        spare = {kind: step for kind, step in (before or {}).items() if _has_knob(step)}
        steps = {
            kind: now.get(kind) or spare.get(kind) or fitted_step(kind, DEFAULT_METHOD[kind], {}, description)
            for kind in KNOB
        }
        words = next((step for step in recipe.steps if of_words(step)), None)
        return cls(**steps, words=words, cache=now.get("cache"))

    def recipe(self, knobs: Knobs) -> Recipe:
        """The recipe at `knobs`. Raises RecipeError where a method refuses the value."""
        found = {
            "prune": turned(self.prune, knobs.sparsity) if knobs.sparsity > 0 else None,
            "distill": turned(self.distill, knobs.temperature) if knobs.temperature is not None else None,
            "quantize": turned(self.quantize, knobs.bits) if knobs.bits is not None else None,
            "words": self.words,
            "cache": self.cache,
        }
        return Recipe(tuple(step for step in found.values() if step is not None))

    def bits(self, also: int | None = None) -> list[int | None]:
        """Every stop of the knob, fewest bits first; None, unquantized, is the last. also: a stop in any case."""
        return [*_stops(self.quantize, also, int), None]

    def sparsities(self, also: float = 0.0) -> list[float]:
        """Every stop of the knob, 0 first."""
        return [0.0, *(stop for stop in _stops(self.prune, also or None, float) if stop > 0)]

    def temperatures(self, also: float | None = None) -> list[float]:
        """Every stop of the knob while something is trained."""
        return sorted({*TEMPERATURES, *([] if also is None else [also])})


def has_knobs(recipe: Recipe) -> bool:
    """Whether three knobs can stand for it: at most one step of each kind, in their order, each with its knob; and
    one for embedding and head."""
    places = [_place(step) for step in recipe.steps]
    return places == sorted(set(places)) and all(_has_knob(step) for step in recipe.steps if step.kind in KNOB)


def of_words(step: Step) -> bool:
    """Whether it is the quantization of embedding and head alone."""
    return step.kind == "quantize" and step.layers == WORDS


def knobs_of(recipe: Recipe) -> Knobs:
    """Where the knobs stand for a recipe that has them."""
    steps = [step for step in recipe.steps if step.kind in KNOB and not of_words(step)]
    now: dict[str, Any] = {step.kind: step.values[KNOB[step.kind]] for step in steps}
    return Knobs(now.get("quantize"), now.get("prune") or 0.0, now.get("distill"))


def treats_words(recipe: Recipe) -> bool:
    """Whether embedding and head are quantized too."""
    return any(step.kind == "quantize" and step.layers in (EVERYTHING, WORDS) for step in recipe.steps)


def with_words(recipe: Recipe, wanted: bool) -> Recipe | None:
    """`recipe` whose quantization treats embedding and head too, or no longer; None where it has none for every layer.

    Raises RecipeError where its method refuses.
    """
    steps = [step for step in recipe.steps if not of_words(step)]
    if not any(step.kind == "quantize" and step.layers in (None, EVERYTHING) for step in steps):
        return None
    layers = EVERYTHING if wanted else None
    return Recipe(
        tuple(
            replace(step, layers=layers) if step.kind == "quantize" and step.layers in (None, EVERYTHING) else step
            for step in steps
        )
    )


def turned(step: Step, value: float) -> Step:
    """`step` with its knob at `value`. Raises RecipeError where the method refuses it."""
    return Step(step.kind, step.method, {**step.values, KNOB[step.kind]: value}, step.layers)


def _place(step: Step) -> float:
    """Of a step in the order of a recipe."""
    return ORDER.index(step.kind) + 0.5 * of_words(step)


def _has_knob(step: Step) -> bool:
    """Whether a knob says how strong this step is; where a threshold decides the sparsity, none does."""
    return _declared(step) is not None and step.values.get("scope") != "threshold"


def _declared(step: Step) -> Parameter | None:
    wanted = KNOB.get(step.kind)
    return next((one for one in method(step.kind, step.method).parameters if one.name == wanted), None)


def _stops(step: Step, also: Any, cast: Callable[[float], Any]) -> list[Any]:
    """The declared steps of the parameter that the method accepts together with its other values."""
    declared = _declared(step)
    assert declared is not None and declared.minimum is not None and declared.maximum is not None and declared.step
    count = round((declared.maximum - declared.minimum) / declared.step)
    offered = {cast(round(declared.minimum + number * declared.step, 9)) for number in range(count + 1)}
    return [stop for stop in sorted(offered | ({also} - {None})) if _accepts(step, stop)]


def _accepts(step: Step, value: Any) -> bool:
    try:
        turned(step, value)
    except RecipeError:
        return False
    return True
