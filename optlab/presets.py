"""Recipes for people who know what they want but not yet how: each names a goal and is a recipe like any other.

A preset promises nothing about a model that it was not measured on: what it does to the model on the page is predicted
and measured there, as with every recipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from optlab.fitting import fitted_step
from optlab.knobs import EVERYTHING, WORDS
from optlab.methods import Value
from optlab.models.describe import Description
from optlab.recipes import Recipe


@dataclass(frozen=True)
class Part:
    """A step before it is fitted to a model; values that it does not name are the method's own defaults."""

    kind: str
    method: str
    values: Mapping[str, Value] = field(default_factory=dict)
    layers: str | None = None


@dataclass(frozen=True)
class Preset:
    """A goal in words and the steps towards it.

    name: of its widgets. title, summary: English message ids. icon: a name of Material Symbols. objectives: kinds of
    models that it is meant for; it is offered to no other.
    """

    name: str
    title: str
    summary: str
    icon: str
    parts: tuple[Part, ...]
    objectives: tuple[str, ...] = ("causal", "masked")

    def recipe(self, description: Description) -> Recipe:
        """The recipe for this model, group sizes moved to the nearest that divide its layers."""
        steps = (fitted_step(part.kind, part.method, part.values, description, part.layers) for part in self.parts)
        return Recipe(tuple(steps))


PRESETS = (
    Preset(
        "no-visible-loss",
        "No visible loss",
        "8 bits for every weight: half the size, with no visible difference.",
        "verified",
        (Part("quantize", "rtn", {"bits": 8, "group_size": 64}, EVERYTHING),),
    ),
    Preset(
        "fits-a-phone",
        "Fits a phone",
        "4 bits for every weight, each layer rounded so that its output stays close to what it was.",
        "smartphone",
        (Part("quantize", "gptq", {"bits": 4, "group_size": 64}, EVERYTHING),),
    ),
    Preset(
        "smallest-that-talks",
        "Smallest that still talks",
        "3 bits for the layers and 4 for the embedding: as small as whole sentences survive.",
        "compress",
        (
            Part("quantize", "gptq", {"bits": 3, "group_size": 64}),
            Part("quantize", "rtn", {"bits": 4, "group_size": 64}, WORDS),
        ),
        ("causal",),
    ),
)


def offered(description: Description) -> list[Preset]:
    """The presets that are meant for a model of this kind."""
    return [preset for preset in PRESETS if description.objective in preset.objectives]
