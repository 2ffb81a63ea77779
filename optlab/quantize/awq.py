"""AWQ: inputs that are large get finer weights, by scaling their columns up before rounding.

A few inputs are many times larger than the others, and the error of their weights is most of the error of the output.
Multiplying such a column by s > 1 before it is rounded divides its error by s, as long as the group's range does not
grow; dividing the input by s where it is made (`folding`) keeps the model the same. How far to go is one exponent per
layer: s = (mean |x|)^a, a from 0 (nothing) to 1, the one with the least error of the layers' outputs.

Layers whose inputs cannot be scaled anywhere (an attention output with fewer value heads, the second layer of an MLP
without a gate) are rounded within their best range. The scaled norms and value projections are ordinary weights of the
model, so a saved folder needs nothing that says it was made by AWQ.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from optlab.messages import say
from optlab.methods import Parameter
from optlab.progress import span
from optlab.quantize.layerwise import FORMAT, LayerwiseQuantizer

if TYPE_CHECKING:
    from torch import Tensor

    from optlab.context import Context
    from optlab.formats.integer_tensor import QuantizedTensor
    from optlab.quantize.folding import Fold

ROWS = 256
"""Rows of the weights that choose the exponent, spread evenly; all rows decide whether to scale at all."""
SMALLEST_INPUT = 1e-6
"""Inputs that are always 0 count as this large."""
SEARCH_SHARE = 0.5
"""How much of the time the search takes, for the progress bar."""


class AWQ(LayerwiseQuantizer):
    """Rounding after a search for the best scale of every input."""

    name: ClassVar[str] = "awq"
    title: ClassVar[str] = "AWQ"
    summary: ClassVar[str] = "Scales the columns of large inputs up before rounding, and the inputs down."
    source: ClassVar[str] = "Lin et al. 2023, arXiv 2306.00978"
    needs_calibration: ClassVar[bool] = True
    parameters: ClassVar[tuple[Parameter, ...]] = (
        *FORMAT,
        Parameter(
            "grid", int, 10, "Exponents tried",
            "How many steps from 0 to 1 the search for each layer's exponent takes.",
            minimum=1, maximum=100, step=5, unit="steps", advanced=True,
        ),
        Parameter(
            "clip", str, "mse", "Range",
            "'minmax' covers every weight of a group; 'mse' tries narrower ranges and keeps the one with the least "
            "error of the group's share of the output.",
            choices=("minmax", "mse"), advanced=True,
        ),
    )  # fmt: skip

    def apply(self, context: Context) -> None:
        """Quantize `context.names`. Raises RecipeError (nothing can be scaled), ModelError, TextError, Cancelled."""
        import torch

        from optlab.parallel import in_parallel
        from optlab.quantize.folding import usable_folds

        usable, scales = usable_folds(context, self.name, "gptq or rtn"), []
        context.statistics()  # computed here, with its progress, and then read by all threads
        # All are found before any is applied: the search reads weights that other folds scale.
        with in_parallel(lambda fold: self._search(fold, context), usable, context.model.device) as found:
            for done, fold in enumerate(usable):
                context.progress(
                    SEARCH_SHARE * done / len(usable), say("scaling the inputs of {readers}", readers=fold.readers[0])
                )
                scales.append(next(found))
        for fold, s in zip(usable, scales, strict=True):
            s = s / context.scalings.columns.get(fold.readers[0], torch.ones_like(s))
            fold.apply(context.model, s)
            context.note_scaling(fold.source, fold.readers, s)
        super().apply(replace(context, progress=span(context.progress, SEARCH_SHARE, 1.0)))

    def _search(self, fold: Fold, context: Context) -> Tensor:
        """The scales s [in] with the least error of the outputs of all readers together; 1 where none is better.

        In the original's units: of its inputs, and of outputs that no other fold has scaled.
        """
        import torch

        name, statistics = fold.readers[0], context.statistics()
        W = torch.cat([context.scalings.undo(reader, context.model.weight(reader).float()) for reader in fold.readers])
        H, size = statistics.gram(name).to(W.device), statistics.mean_abs(name).to(W.device).clamp(min=SMALLEST_INPUT)
        some = W[:: -(-len(W) // ROWS)]
        steps = int(self.values["grid"])
        candidates = [_balanced(size ** (step / steps)) for step in range(1, steps + 1)]
        best = min(candidates, key=lambda s: self._error(some, s, H))
        unscaled = torch.ones_like(best)
        return best if self._error(W, best, H) < self._error(W, unscaled, H) else unscaled

    def _error(self, W: Tensor, s: Tensor, H: Tensor) -> float:
        """tr(D H D^T), D the error of rounding W [rows, in] scaled by s, over the full range: scales are compared,
        for which that does, and only the winner is worth its best range."""
        from optlab.formats.integer_grid import in_groups, minmax
        from optlab.formats.integer_tensor import QuantizedTensor

        scaled = W * s
        grid = minmax(in_groups(scaled, self.group_size), self.bits, self.zero)
        D = QuantizedTensor.of(scaled, grid, self.group_size).dequantize().div_(s).sub_(W)
        return float(((D @ H) * D).sum())

    def quantize(self, W: Tensor, name: str, context: Context) -> QuantizedTensor:
        from optlab.formats.integer_grid import in_groups, minmax
        from optlab.formats.integer_tensor import QuantizedTensor
        from optlab.quantize import output_range

        if self.values["clip"] == "mse":
            return output_range.nearest(W, name, context, self.bits, self.zero, self.group_size)
        return QuantizedTensor.of(W, minmax(in_groups(W, self.group_size), self.bits, self.zero), self.group_size)


def _balanced(s: Tensor) -> Tensor:
    """s times a number, so that the largest is as far above 1 as the smallest is below."""
    return s / (s.amax() * s.amin()).sqrt()
