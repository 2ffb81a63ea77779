"""What a measurement takes of memory and disk, in bytes: the answer of `whole` and `blocks`, and what they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from optlab.errors import RecipeError
from optlab.forecast.stored import layer_bytes
from optlab.models.describe import Description
from optlab.recipes import Recipe

FULL = 4
"""Bytes of a number in float32, in which everything is computed."""


@dataclass(frozen=True)
class Footprint:
    """memory: the most that the process holds in each phase, by name, in order. disk: what is written at most."""

    memory: Mapping[str, int]
    disk: int

    @property
    def peak(self) -> int:
        """The most memory of all."""
        return max(self.memory.values())


def file_bytes(description: Description, recipe: Recipe) -> int:
    """Of the compressed model; as many as the original's where the recipe decides that itself."""
    try:
        return sum(layer_bytes(description, recipe).values())
    except RecipeError:
        return description.size_bytes
