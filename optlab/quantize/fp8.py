"""float8 (E4M3): eight bits as a floating-point number, nearly lossless for weights. No text is needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from optlab.formats.stored_form import Part, StoredForm
from optlab.messages import say
from optlab.methods import Parameter, Value
from optlab.quantize.layerwise import FORMAT, LayerwiseQuantizer

if TYPE_CHECKING:
    from torch import Tensor

    from optlab.context import Context
    from optlab.formats.float_tensor import FloatTensor
    from optlab.formats.integer_grid import Zero


class FP8(LayerwiseQuantizer):
    """Rounding to float8 E4M3 under a scale."""

    name: ClassVar[str] = "fp8"
    title: ClassVar[str] = "float8 (E4M3)"
    summary: ClassVar[str] = "Eight bits as a floating-point number: small weights keep three digits as large ones do."
    source: ClassVar[str] = "Micikevicius et al. 2022, FP8 Formats for Deep Learning, arXiv 2209.05433"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            "scale", str, "channel", "Scale",
            "What shares one scale: the whole 'tensor', a 'channel' (one row of the weight), or a 'group' of "
            "neighbouring weights.",
            choices=("tensor", "channel", "group"),
        ),
        *(parameter for parameter in FORMAT if parameter.name == "group_size"),
    )  # fmt: skip
    on_a_grid: ClassVar[bool] = False

    @classmethod
    def describe(cls, values: Mapping[str, Value]) -> str:
        if values["scale"] == "group" and values["group_size"] is not None:
            return say("fp8, group {group_size}", group_size=values["group_size"])
        return say("fp8, per tensor") if values["scale"] == "tensor" else say("fp8, per channel")

    @classmethod
    def check_together(cls, values: Mapping[str, Value]) -> None:
        """Nothing to check: group_size counts where scale is 'group' only."""

    @classmethod
    def check_layer(cls, values: Mapping[str, Value], name: str, shape: tuple[int, int]) -> None:
        if values["scale"] == "group":
            super().check_layer(values, name, shape)

    @property
    def zero(self) -> Zero:
        return "none"

    def stored_form(self, shape: tuple[int, int]) -> StoredForm:
        return StoredForm(None, "F8_E4M3", (Part("weight_scale", "F16", self._scales(*shape)),))

    def _scales(self, rows: int, columns: int) -> tuple[int, int]:
        """How many rows and groups of a weight have a scale of their own."""
        groups = columns // (self.group_size or columns) if self.values["scale"] == "group" else 1
        return 1 if self.values["scale"] == "tensor" else rows, groups

    def quantize(self, W: Tensor, name: str, context: Context) -> FloatTensor:
        from optlab.formats.float_tensor import FloatTensor

        return FloatTensor.scaled(W, *self._scales(*W.shape))
