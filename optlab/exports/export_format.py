"""What a format of a file to take home is: how it is called, what reads it, and what writes it. Torch-free."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from optlab.models.hub_config import HubConfig
from optlab.progress import Progress
from optlab.recipes import Recipe

if TYPE_CHECKING:
    from optlab.compression import Compressed
    from optlab.models.language_model import LanguageModel

EXACT = 1e-6
"""A relative difference below this comes from adding float32 numbers in another order, not from rounding."""


@dataclass(frozen=True)
class Written:
    """What was written. tensors: how many weights have which form. rounding: root mean square of the difference between
    the weights in the file and those that were measured, relative to these; 0 where they are the same by construction.
    usage: how the file is loaded, in markdown."""

    tensors: dict[str, int] = field(default_factory=dict)
    rounding: float = 0.0
    usage: str = ""

    @property
    def exact(self) -> bool:
        """Whether the file holds the very weights that were measured."""
        return self.rounding < EXACT


def anything(name: str, family: str, hub: HubConfig | None, recipe: Recipe) -> None:
    """The check of a format that holds every model after every recipe."""


@dataclass(frozen=True)
class ExportFormat:
    """name: of the format in a spec and in an address. label: as its makers spell it. program: what opens it. library:
    the Hub's `library_name`. zipped: whether several files go into one archive, instead of one file on its own.
    write: puts the files of a compressed model, named after a stem, into an empty folder. It raises ModelError with one
    sentence where the format cannot say what the model is, and MeasurementError where the disk is full. check: raises
    the same ModelError before anything is computed, as far as name, family, config.json (None where only the family is
    known) and recipe tell."""

    name: str
    label: str
    program: str
    library: str
    zipped: bool
    write: Callable[[Compressed, Path, str, Progress], Written]
    check: Callable[[str, str, HubConfig | None, Recipe], None] = anything

    def check_model(self, model: LanguageModel, recipe: Recipe) -> None:
        """`check` of a model that was read. Raises ModelError."""
        self.check(model.name, model.family, model.config, recipe)
