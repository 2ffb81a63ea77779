"""Every crossing of some bits and some sparsities of one recipe: what is predicted there, what is measured, what it
would take to measure the rest.

A grid is no run of its own. Each cell is an ordinary measurement, found by what it measures; so a cell that Explore
measured is there already, a closed tab loses nothing, and a grid that was stopped goes on with the cells it lacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from optlab.client.client import Client
from optlab.client.expectations import expected
from optlab.client.knob_predictions import knob_predictions
from optlab.errors import RecipeError
from optlab.jobs.measured import MeasuredRun, readable
from optlab.knobs import KnobbedRecipe, Knobs
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.results.prediction_table import PredictedCell
from optlab.store.run import Run, Status

MOST = 48
"""Cells of a grid; more is a search, which the frontier does."""


@dataclass(frozen=True)
class Cell:
    """bits: None is unquantized. run: what measures the recipe, whatever its status; None where nobody asked.
    measured: its result, once it is there. predicted: None where the model was never probed."""

    bits: int | None
    sparsity: float
    recipe: Recipe
    run: Run | None
    measured: MeasuredRun | None
    predicted: PredictedCell | None

    @property
    def open(self) -> bool:
        """Whether it is neither measured nor about to be."""
        return self.run is None or self.run.retryable


@dataclass(frozen=True)
class Grid:
    """cells: in rows of equal bits. seconds: that measuring the open ones takes on this machine, one after the other.
    size_bytes: that their files take on the disk, at most that of the original each; a prediction."""

    model: str
    protocol: Protocol
    cells: tuple[Cell, ...]
    seconds: float
    size_bytes: int

    @property
    def open(self) -> list[Cell]:
        """What can still be asked for."""
        return [cell for cell in self.cells if cell.open]

    @property
    def runs(self) -> list[Run]:
        """Of every cell that somebody asked for, the oldest first."""
        return sorted((cell.run for cell in self.cells if cell.run is not None), key=lambda run: run.id)


def look(
    client: Client, model: str, family: KnobbedRecipe, bits: Sequence[int | None], sparsities: Sequence[float],
    protocol: Protocol,
) -> Grid:  # fmt: skip
    """The grid as it stands. bits, sparsities: stops of the knobs of `family`. The crossing that changes nothing is
    left out: it is the original. Raises ModelError, and RecipeError for more than `MOST` cells."""
    knobs = [Knobs(bit, share) for bit, share in product(bits, sparsities) if bit is not None or share > 0]
    if len(knobs) > MOST:
        raise RecipeError("{count} measurements are too many for one grid; choose at most {most}",
                          count=len(knobs), most=MOST)  # fmt: skip
    table = knob_predictions(client, model, family, Knobs(), protocol)
    cells = tuple(
        _cell(client, model, family.recipe(one), one, table.at(one) if table.cells else None, protocol) for one in knobs
    )
    return Grid(model, protocol, cells, *_asked(client, model, [cell for cell in cells if cell.open], protocol))


def begin(client: Client, grid: Grid) -> None:
    """Ask for every cell that is open, those with the fewest bits last: what is surely usable comes first."""
    for cell in sorted(grid.open, key=lambda cell: (-(cell.bits or 64), cell.sparsity)):
        client.submit_measure(grid.model, cell.recipe, grid.protocol)


def pause(client: Client, grid: Grid) -> None:
    """Take back what waits; what is being measured is finished."""
    for run in grid.runs:
        if run.status == Status.QUEUED:
            client.cancel(run.id)


def _cell(
    client: Client, model: str, recipe: Recipe, knobs: Knobs, told: PredictedCell | None, protocol: Protocol
) -> Cell:
    run = client.find(model, recipe, protocol)
    found = readable([run]) if run is not None else []
    return Cell(knobs.bits, knobs.sparsity, recipe, run, found[0] if found else None, told)


def _asked(client: Client, model: str, cells: Sequence[Cell], protocol: Protocol) -> tuple[float, int]:
    """Seconds and bytes."""
    description = client.description(model)
    if description is None:
        return 0.0, 0
    found = [expected(client, model, cell.recipe, protocol) for cell in cells]
    seconds = sum(one.seconds for one in found if one is not None)
    whole = description.size_bytes
    sizes = (cell.predicted.size_bytes if cell.predicted is not None else None for cell in cells)
    return seconds, sum(whole if size is None else size for size in sizes)
