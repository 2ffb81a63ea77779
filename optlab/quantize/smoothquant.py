"""SmoothQuant: before weights and activations are rounded to 8 bits, large activations are handed to the weights.

A few channels of a Transformer's activations are tens of times larger than the others, in every token; one scale per
token leaves the rest a handful of codes. Channel j is divided by

    s_j = max|X_j|^alpha / max|W_j|^(1 - alpha)                                    (2211.10438, equation 4)

where it is made (`folding`), and column j of the weights that read it is multiplied by s_j, so the model stays the same
and the difficulty is shared: alpha 0 leaves all of it with the activations, 1 hands it all to the weights. max|X_j| is
measured on the calibration text. Beside the norms of the paper, the value and `up` projections take scales too: their
own rows are rounded with one scale each, so this costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from optlab.messages import say
from optlab.methods import Parameter
from optlab.quantize.dynamic import WIDTHS, Dynamic

if TYPE_CHECKING:
    from torch import Tensor

    from optlab.context import Context
    from optlab.models.inputs import InputFormat
    from optlab.quantize.folding import Fold


class SmoothQuant(Dynamic):
    """Migration of scales, then rounding of weights per row and of activations per token or per tensor."""

    name: ClassVar[str] = "smoothquant"
    title: ClassVar[str] = "SmoothQuant (W8A8)"
    summary: ClassVar[str] = "Shares the large activations with the weights, then rounds both to 8 bits."
    source: ClassVar[str] = "Xiao et al. 2022, arXiv 2211.10438, equation 4"
    needs_calibration: ClassVar[bool] = True
    parameters: ClassVar[tuple[Parameter, ...]] = (
        *WIDTHS,
        Parameter(
            "alpha", float, 0.5, "Migration (alpha)",
            "How much of the large activations is handed to the weights: 0 nothing, 1 everything.",
            minimum=0.0, maximum=1.0, step=0.05,
        ),
        Parameter(
            "activations", str, "token", "Activation scale",
            "'token': each token its own, found at run time; 'tensor': one for all tokens, from the calibration text, "
            "which is faster and coarser.",
            choices=("token", "tensor"), advanced=True,
        ),
    )  # fmt: skip

    def inputs(self, name: str, context: Context) -> InputFormat:
        from optlab.models.inputs import InputFormat

        bits = int(self.values["activation_bits"])
        if self.values["activations"] == "token":
            return InputFormat(bits)
        return InputFormat(bits, max(float(_absmax(name, context).max()), 1e-30) / InputFormat(bits).largest)

    def apply(self, context: Context) -> None:
        """Quantize `context.names`. Raises RecipeError (nothing can be scaled), ModelError, TextError, Cancelled."""
        from optlab.quantize.folding import usable_folds

        usable = usable_folds(context, self.name, "dynamic")
        for done, fold in enumerate(usable):
            context.progress(0.5 * done / len(usable), say("scaling the inputs of {readers}", readers=fold.readers[0]))
            s = self.migration(fold, context)
            fold.apply(context.model, s)
            context.note_scaling(fold.source, fold.readers, s)
        super().apply(context)

    def migration(self, fold: Fold, context: Context) -> Tensor:
        """s [in] of equation 4 for all readers of a fold together; 1 for channels that nothing is read from."""
        import torch

        alpha = float(self.values["alpha"])
        X = _absmax(fold.readers[0], context)
        W = torch.stack([context.model.weight(name).abs().amax(0) for name in fold.readers]).amax(0)
        s = X**alpha / W ** (1 - alpha)
        return torch.where((X > 0) & (W > 0), s, 1.0)


def _absmax(name: str, context: Context) -> Tensor:
    """Largest |x| of each input of layer `name` on the calibration text, after what folds have moved so far; [in]."""
    found = context.statistics().absmax(name).to(context.model.device)
    return found / context.scalings.columns[name] if name in context.scalings.columns else found
