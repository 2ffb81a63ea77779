"""float16 and bfloat16: the two 16-bit formats, each what the other is not. No text is needed.

float16 has 11 significant bits up to 65,504, bfloat16 has 8 and the range of float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from optlab.errors import RecipeError
from optlab.formats.stored_form import StoredForm
from optlab.methods import Parameter, Value
from optlab.quantize.layerwise import LayerwiseQuantizer

if TYPE_CHECKING:
    from torch import Tensor

    from optlab.context import Context
    from optlab.formats.float_tensor import FloatTensor
    from optlab.formats.integer_grid import Zero


class Cast(LayerwiseQuantizer):
    """Rounding to a 16-bit floating-point format."""

    name: ClassVar[str] = "cast"
    title: ClassVar[str] = "16-bit numbers"
    summary: ClassVar[str] = (
        "Writes weights as float16 or bfloat16; changes nothing where the checkpoint has that format."
    )
    source: ClassVar[str] = "IEEE 754-2008 binary16; Kalamkar et al. 2019, A Study of BFLOAT16, arXiv 1905.12322"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            "format", str, "bfloat16", "Format",
            "'float16' keeps 11 significant bits up to 65,504; 'bfloat16' keeps 8 and the range of float32.",
            choices=("bfloat16", "float16"),
        ),
    )  # fmt: skip
    on_a_grid: ClassVar[bool] = False

    @classmethod
    def describe(cls, values: Mapping[str, Value]) -> str:
        return str(values["format"])

    @classmethod
    def check_together(cls, values: Mapping[str, Value]) -> None:
        """Nothing to check."""

    @classmethod
    def check_layer(cls, values: Mapping[str, Value], name: str, shape: tuple[int, int]) -> None:
        """Fits every shape."""

    @property
    def zero(self) -> Zero:
        return "none"

    def stored_form(self, shape: tuple[int, int]) -> StoredForm:
        return StoredForm(None, {"bfloat16": "BF16", "float16": "F16"}[str(self.values["format"])])

    def quantize(self, W: Tensor, name: str, context: Context) -> FloatTensor:
        from optlab.formats.float_tensor import FORMATS, FloatTensor

        values = W.to(FORMATS[str(self.values["format"])])
        if not bool(values.isfinite().all()):
            raise RecipeError(
                "{name} holds numbers beyond the largest {format}; use bfloat16",
                name=name,
                format=self.values["format"],
            )
        return FloatTensor(values)
