"""What is predicted at every stop of the knobs of a recipe, so that a page looks up and computes nothing.

A knob at its end has taken its step out of the recipe, and such recipes are families of their own: unquantized,
unpruned, and the original. Their tables are put side by side here.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from optlab.client.client import Client
from optlab.jobs.measured import MeasuredRun
from optlab.knobs import KnobbedRecipe, Knobs
from optlab.prediction.recipe_family import RecipeFamily
from optlab.protocol import Protocol
from optlab.results.prediction_table import OriginalFigures, PredictedCell, PredictionTable


@dataclass(frozen=True)
class KnobPredictions:
    """bits, sparsities: the stops of both knobs. cells: for each of `bits` one for each of `sparsities`, row after row;
    all have the training, or none, of where the knobs stand. original: None where the model was never probed, and then
    there are no cells either."""

    bits: tuple[int | None, ...]
    sparsities: tuple[float, ...]
    original: OriginalFigures | None = None
    cells: tuple[PredictedCell, ...] = ()

    def at(self, knobs: Knobs) -> PredictedCell:
        """The cell at a stop of both knobs. Raises ValueError where there is no such stop."""
        return self.cells[self.bits.index(knobs.bits) * len(self.sparsities) + self.sparsities.index(knobs.sparsity)]


def knob_predictions(
    client: Client, model: str, knobbed: KnobbedRecipe, now: Knobs, protocol: Protocol | None = None
) -> KnobPredictions:
    """The predictions for `model` on the text of `protocol`. now: where the knobs stand, which are stops in any case.

    Raises ModelError.
    """
    bits, sparsities = tuple(knobbed.bits(now.bits)), tuple(knobbed.sparsities(now.sparsity))
    widths, shares = tuple(one for one in bits if one is not None), tuple(one for one in sparsities if one > 0)
    tables: dict[tuple[bool, bool], PredictionTable] = {}
    for quantized, pruned in product((False, True), repeat=2):
        # any member says which family it is, and the same one says it wherever the knobs stand
        member = knobbed.recipe(Knobs(widths[0] if quantized else None, shares[0] * pruned, now.temperature))
        family = RecipeFamily(member, widths if quantized else (), shares if pruned else ())
        table = client.prediction_table(model, family, protocol)
        if table is None:
            return KnobPredictions(bits, sparsities)
        tables[quantized, pruned] = table
    cells = (tables[bit is not None, share > 0].at(bit, share or None) for bit, share in product(bits, sparsities))
    return KnobPredictions(bits, sparsities, tables[False, False].original, tuple(cells))


def measured(client: Client, model: str, protocol: Protocol | None = None) -> list[MeasuredRun]:
    """What was measured of `model` exactly as `protocol` would measure it now, newest first."""
    wanted = client.subject(model, protocol).protocol
    return [one for one in client.measurements(model) if one.spec.protocol == wanted]
