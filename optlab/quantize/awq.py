"""AWQ: inputs that are large get finer weights, by scaling their columns up before rounding.

A few inputs are many times larger than the others, and the error of their weights is most of the error of the output.
Multiplying such a column by s > 1 before it is rounded divides its error by s, as long as the group's range does not
grow; dividing the input by s where it is made (`folding`) keeps the model the same. How far to go is one exponent per
layer: s = (mean |x|)^a, a from 0 (nothing) to 1, the one with the least error of the layers' outputs.

Layers whose inputs cannot be scaled anywhere (an attention output with fewer value heads, the second layer of an MLP
without a gate) are rounded within their best range.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from optlab.errors import RecipeError
from optlab.methods import Parameter
from optlab.quantize.layerwise import FORMAT, LayerwiseQuantizer

if TYPE_CHECKING:
    from torch import Tensor

    from optlab.compress import Context
    from optlab.quantize.folding import Fold
    from optlab.quantize.tensor import QuantizedTensor


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
            "'minmax' covers every weight of a group; 'mse' searches the narrower range with the least squared error.",
            choices=("minmax", "mse"), advanced=True,
        ),
    )  # fmt: skip

    def apply(self, context: Context) -> None:
        """Quantize `context.names`. Raises RecipeError (nothing can be scaled), ModelError, TextError, Cancelled."""
        from optlab.quantize.folding import folds

        treated = set(context.names)
        usable = [
            fold
            for fold in folds(context.model)
            if treated.issuperset(fold.readers) and fold.source not in context.stored
        ]
        if not usable:
            raise RecipeError(
                f"awq finds nothing in this {context.model.family} model that the inverse scales of these layers could "
                "be folded into; use gptq or rtn"
            )
        for done, fold in enumerate(usable):
            context.progress(0.8 * done / len(usable), f"scaling the inputs of {fold.readers[0]}")
            s = self._search(fold, context)
            fold.apply(context.model, s)
            context.note_scaling(fold.source, fold.readers, s)
        super().apply(context)

    def _search(self, fold: Fold, context: Context) -> Tensor:
        """The scales s [in] with the least error of the outputs of all readers together."""
        import torch

        statistics = context.statistics()
        name = fold.readers[0]
        W = torch.cat([context.model.weight(reader).float() for reader in fold.readers])
        H, size = statistics.gram(name).to(W.device), statistics.mean_abs(name).to(W.device).clamp(min=1e-6)
        best, best_error = torch.ones_like(size), float("inf")
        steps = int(self.values["grid"] or 1)
        for step in range(steps + 1):
            s = size ** (step / steps)
            s = s / (s.amax() * s.amin()).sqrt()
            D = self._rounded(W * s).dequantize() / s - W
            error = float(((D @ H) * D).sum())
            if error < best_error:
                best, best_error = s, error
        return best

    def _rounded(self, W: Tensor, clip: str = "minmax") -> QuantizedTensor:
        from optlab.quantize.grid import best_clip, in_groups, minmax
        from optlab.quantize.tensor import QuantizedTensor

        choose = best_clip if clip == "mse" else minmax
        return QuantizedTensor.of(W, choose(in_groups(W, self.group_size), self.bits, self.zero), self.group_size)

    def quantize(self, W: Tensor, name: str, context: Context) -> QuantizedTensor:
        # The search compares exponents, for which the full range does; only its result is worth the best range.
        return self._rounded(W, str(self.values["clip"]))
