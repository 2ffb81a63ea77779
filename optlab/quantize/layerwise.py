"""What all methods that quantize one weight after another share: their first four knobs, and the walk over layers.

A subclass names itself, adds its own parameters and implements `quantize`; GPTQ, AWQ and HQQ are then one file each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from optlab.errors import ModelError, RecipeError
from optlab.formats.linear_format import LinearFormat
from optlab.formats.stored_form import StoredForm, grid
from optlab.messages import Joined, Message, say
from optlab.methods import Method, Parameter, Value, divisors_for_groups

if TYPE_CHECKING:
    from torch import Tensor

    from optlab.context import Coded, Context
    from optlab.formats.integer_grid import Zero

FORMAT = (
    Parameter(
        "bits", int, 4, "Bits per weight",
        "How many bits each weight keeps: 8 is almost lossless, 4 is common, 2 leaves four different values.",
        minimum=2, maximum=8, step=1, unit="bits",
    ),
    Parameter(
        "group_size", int, 64, "Group size",
        "How many neighbouring weights share one scale: small groups follow the weights more closely and take more "
        "space; empty uses one scale for a whole row.",
        minimum=2, maximum=65_536, step=32, optional=True, unit="weights", none_label="one per row (per channel)",
    ),
    Parameter(
        "symmetric", bool, False, "Symmetric",
        "Spread the values evenly around 0: saves the zero points, and fits weights that lean to one side less well.",
    ),
    Parameter(
        "zero_point", str, "integer", "Zero point",
        "How a group stores where its values begin: 'integer' keeps 0 exact and takes fewer bits, 'float' stores the "
        "smallest weight itself.",
        choices=("integer", "float"), advanced=True,
    ),
)  # fmt: skip


def group_name(group_size: Value) -> Message:
    """What the weights that share a scale are called; None = a whole row."""
    return say("group {group_size}", group_size=group_size) if group_size else say("per channel")


class LayerwiseQuantizer(Method):
    """Base of quantization methods that treat one weight at a time; a subclass gives `quantize`."""

    kind: ClassVar[str] = "quantize"
    parameters: ClassVar[tuple[Parameter, ...]] = FORMAT
    on_a_grid: ClassVar[bool] = True
    """Whether it stores integer codes (`QuantizedTensor`), which kernels multiply; codebooks and floats are not."""

    @classmethod
    def describe(cls, values: Mapping[str, Value]) -> str:
        parts = [say("{method} {bits} bits", method=cls.name, bits=values["bits"]), group_name(values["group_size"])]
        if values["symmetric"]:
            parts.append(say("symmetric"))
        elif values["zero_point"] == "float":
            parts.append(say("float zero"))
        return Joined(", ", parts)

    @classmethod
    def check_together(cls, values: Mapping[str, Value]) -> None:
        if values["symmetric"] and values["zero_point"] == "float":
            raise RecipeError("symmetric quantization has no zero point; use zero_point integer, or symmetric false")

    @classmethod
    def check_layer(cls, values: Mapping[str, Value], name: str, shape: tuple[int, int]) -> None:
        size, width = values["group_size"], shape[1]
        if size is not None and width % int(size):
            offered = [str(divisor) for divisor in divisors_for_groups(width)]
            offered = offered if len(offered) > 1 else [*offered, "null"]
            use = Joined(" or ", [", ".join(offered[:-1]), offered[-1]])
            raise RecipeError("group_size {size} does not divide {width}; use {use}", size=size, width=width, use=use)

    def check_pruned(self) -> None:
        if self.zero == "float":
            raise RecipeError("a float zero point has no level for 0, so pruned weights would come back; use integer")

    def linear_format(self, width: int) -> LinearFormat:
        """How a layer of `width` inputs will be stored, and round what it reads."""
        if not self.on_a_grid:
            return LinearFormat(width)
        inputs = self.values.get("activation_bits")
        return LinearFormat(width, self.bits, self.group_size, self.zero == "none", inputs)

    def stored_form(self, shape: tuple[int, int]) -> StoredForm:
        """How a weight of `shape` (out, in) will be written."""
        return grid(shape, self.bits, self.group_size, self.zero)

    @property
    def bits(self) -> int:
        return int(self.values["bits"] or 0)

    @property
    def group_size(self) -> int | None:
        size = self.values["group_size"]
        return None if size is None else int(size)

    @property
    def zero(self) -> Zero:
        if self.values["symmetric"]:
            return "none"
        return "float" if self.values["zero_point"] == "float" else "integer"

    @property
    def in_order(self) -> bool:
        """Whether a layer depends on those before it, which then must have been stored."""
        return False

    def together(self, context: Context) -> list[list[str]]:
        """`context.names` in their order, as lists of those that `quantize` gets as one weight, one above the other."""
        return [[name] for name in context.names]

    def quantize(self, W: Tensor, name: str, context: Context) -> Coded:
        """The quantized form of W [out, in] float32, the weight of layer `name`; W must not be changed.

        Called by several threads at once, unless `in_order`. Of weights that are taken `together`, name is the first;
        what comes back then is a QuantizedTensor.
        """
        raise NotImplementedError

    def apply(self, context: Context) -> None:
        """Quantize `context.names`. Raises RecipeError, ModelError, Cancelled."""
        import torch

        from optlab.formats.integer_tensor import QuantizedTensor
        from optlab.parallel import MOST, in_parallel

        pruned = {name for name in context.names if context.is_pruned(name)}
        if pruned:
            self.check_pruned()

        def checked(name: str) -> Tensor:
            W = context.model.weight(name).float()
            if not bool(W.isfinite().all()):
                raise ModelError("{name} holds numbers that are not finite, so no grid fits it", name=name)
            return W

        def some(names: list[str]) -> list[Coded]:
            weights = [checked(name) for name in names]
            quantized = self.quantize(weights[0] if len(names) == 1 else torch.cat(weights), names[0], context)
            found: list[Coded] = [quantized]
            if len(names) > 1:
                assert isinstance(quantized, QuantizedTensor), "only codes are taken apart again"
                found = [*quantized.split([len(W) for W in weights])]
            # Whatever the method did, zeros of an earlier step stay zeros.
            return [
                one.with_zeros(W == 0) if name in pruned else one
                for one, W, name in zip(found, weights, names, strict=True)
            ]

        sets, done = self.together(context), 0
        with in_parallel(some, sets, context.model.device, 1 if self.in_order else MOST) as results:
            for names in sets:
                context.progress(done / len(context.names), say("quantizing {name}", name=names[0]))
                for name, quantized in zip(names, next(results), strict=True):
                    context.store(name, quantized)
                done += len(names)
