"""How a model is measured: whole in memory where it fits, else block by block where the recipe allows that."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import Literal

import psutil

from optlab import paths
from optlab.errors import MeasurementError, RecipeError
from optlab.forecast import blocks, whole
from optlab.forecast.footprint import Footprint
from optlab.forecast.suitable import why_not
from optlab.machine.identity import on_gpu
from optlab.models.describe import Description
from optlab.protocol import Protocol
from optlab.recipes import Recipe

VARIABLE = "OPTLAB_STREAMING"
"""Of the environment: `always` and `never` decide it; else it is done where the model does not fit into memory."""
Way = Literal["whole", "blocks"]


@dataclass(frozen=True)
class Room:
    """Bytes that this machine has: of memory in all, and free on the disk that the result and states go to."""

    memory: int
    disk: int

    @classmethod
    def here(cls) -> Room:
        return cls(psutil.virtual_memory().total, shutil.disk_usage(paths.home()).free)


def footprint(recipe: Recipe, protocol: Protocol, description: Description, way: Way) -> Footprint:
    """What measuring takes. protocol: with nothing left open (`optlab.jobs.resolution.settled`)."""
    return (whole if way == "whole" else blocks).footprint(recipe, protocol, description)


def way_of(recipe: Recipe, protocol: Protocol, description: Description, room: Room | None = None) -> Way:
    """How `recipe` is measured. room: of this machine by default.

    Raises RecipeError where it has too little memory for either way, MeasurementError where it has too little disk;
    both say what would fit.
    """
    room = room or Room.here()
    asked = os.environ.get(VARIABLE, "").strip().lower()
    way: Way = "blocks" if asked == "always" else "whole"
    needed = footprint(recipe, protocol, description, way)
    if asked not in ("always", "never") and needed.peak > room.memory and not on_gpu(protocol.device):
        way = "blocks"
        needed = _by_blocks(recipe, protocol, description, room, needed.peak)
    if needed.disk > room.disk:
        raise MeasurementError(
            "{gigabytes:.1f} GB of disk are needed for the compressed model and its states, and {folder} has "
            "{free:.1f} GB; make room there, or set OPTLAB_HOME to another disk",
            gigabytes=needed.disk / 1e9,
            folder=paths.home(),
            free=room.disk / 1e9,
        )
    return way


def _by_blocks(recipe: Recipe, protocol: Protocol, description: Description, room: Room, whole: int) -> Footprint:
    reason = why_not(recipe, description)
    if reason is not None:
        raise RecipeError(
            "the whole model needs to be in memory, about {needed:.1f} GB, and this machine has {there:.1f}: {reason}; "
            "a recipe of rtn, gptq or wanda goes block by block in about {would:.1f} GB",
            needed=whole / 1e9,
            there=room.memory / 1e9,
            reason=reason,
            would=blocks.footprint(_rounded(), protocol, description).peak / 1e9,
        )
    needed = blocks.footprint(recipe, protocol, description)
    if needed.peak > room.memory:
        raise RecipeError(
            "one block of {name} needs about {needed:.1f} GB with this recipe, and this machine has {there:.1f}; "
            "rounding (rtn) needs {would:.1f}",
            name=description.title,
            needed=needed.peak / 1e9,
            there=room.memory / 1e9,
            would=blocks.footprint(_rounded(), protocol, description).peak / 1e9,
        )
    return needed


def _rounded() -> Recipe:
    return Recipe.from_dict({"steps": [{"quantize": {"method": "rtn", "bits": 4, "group_size": None}}]})
