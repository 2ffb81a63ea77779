"""Dynamic int8: weights of 8 bits per row, and activations rounded to 8 bits when the model runs. No text is needed.

Both sides of a product are then whole numbers, which processors multiply faster than floats. Each token gets its own
scale from its largest number, so one outlier among the channels of a token makes all its other numbers coarse: what
`smoothquant` is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from optlab.errors import RecipeError
from optlab.methods import Parameter, Value
from optlab.quantize.layerwise import LayerwiseQuantizer

if TYPE_CHECKING:
    from torch import Tensor

    from optlab.context import Context
    from optlab.formats.integer_grid import Zero
    from optlab.formats.integer_tensor import QuantizedTensor
    from optlab.models.inputs import InputFormat

WIDTHS = (
    Parameter(
        "bits", int, 8, "Bits per weight", "How many bits each weight keeps; each row has one scale.",
        minimum=2, maximum=8, step=1, unit="bits",
    ),
    Parameter(
        "activation_bits", int, 8, "Bits per activation",
        "How many bits each number keeps that a layer reads; 8 run on integer hardware, fewer only show the loss.",
        minimum=3, maximum=8, step=1, unit="bits",
    ),
)  # fmt: skip


class Dynamic(LayerwiseQuantizer):
    """Rounding of weights per row and of activations per token."""

    name: ClassVar[str] = "dynamic"
    title: ClassVar[str] = "Dynamic int8 (weights and activations)"
    summary: ClassVar[str] = "Rounds weights once and activations at run time, so that whole numbers are multiplied."
    source: ClassVar[str] = "Yao et al. 2022, ZeroQuant, arXiv 2206.01861, section 4.1 (per token, per row)"
    parameters: ClassVar[tuple[Parameter, ...]] = WIDTHS

    @classmethod
    def describe(cls, values: Mapping[str, Value]) -> str:
        return f"{cls.name} W{values['bits']}A{values['activation_bits']}"

    @classmethod
    def check_together(cls, values: Mapping[str, Value]) -> None:
        """Nothing to check: weights are symmetric, one scale per row."""

    @classmethod
    def check_layer(cls, values: Mapping[str, Value], name: str, shape: tuple[int, int]) -> None:
        """Fits every shape."""

    @property
    def group_size(self) -> int | None:
        return None

    @property
    def zero(self) -> Zero:
        return "none"

    def quantize(self, W: Tensor, name: str, context: Context) -> QuantizedTensor:
        from optlab.formats.integer_grid import in_groups, minmax
        from optlab.formats.integer_tensor import QuantizedTensor

        return QuantizedTensor.of(W, minmax(in_groups(W, None), self.bits, "none"), None)

    def inputs(self, name: str, context: Context) -> InputFormat:
        """How layer `name` rounds what it reads."""
        from optlab.models.inputs import InputFormat

        return InputFormat(int(self.values["activation_bits"]))

    def apply(self, context: Context) -> None:
        """Quantize `context.names`. Raises RecipeError (one is not a linear layer), ModelError, Cancelled."""
        from optlab.models.inputs import round_inputs
        from optlab.models.structure import is_linear

        model = context.model
        if other := [name for name in context.names if not is_linear(model.module_named(name))]:
            raise RecipeError(
                "{other} looks rows up and multiplies nothing, so {name} has no activations to round there; quantize "
                "it with rtn",
                other=other[0],
                name=self.name,
            )
        super().apply(context)
        for name in context.names:
            round_inputs(model.module_named(name), self.inputs(name, context))
