"""SparseGPT and GPTQ in one pass: a column becomes 0 or a level of its group's grid, and what is open takes back both.

One walk after the other quantizes weights that have nothing left to make up with: the zeros are there for good. In one
walk each weight that stays answers for the zeros and for the rounding before it (Frantar and Alistarh, arXiv
2301.00774, section 3.5). Zeros are chosen for one group of columns at a time, its range from the weights that stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from optlab.errors import RecipeError
from optlab.formats.stored_form import StoredForm, grid
from optlab.messages import Joined, say
from optlab.methods import Parameter, Probed, Value, divisors_for_groups
from optlab.prune.pattern import FINE, UNSTRUCTURED
from optlab.prune.scored import ALLOCATION, SEQUENTIAL, SPARSITY
from optlab.prune.sparsegpt import SparseGPT

if TYPE_CHECKING:
    from optlab.context import Context


class SparseGPTQ(SparseGPT):
    """Zero some weights and round the others, in one walk."""

    name: ClassVar[str] = "sparsegpt_gptq"
    title: ClassVar[str] = "SparseGPT and GPTQ in one pass"
    summary: ClassVar[str] = "Zeroes weights and rounds the others in one walk; what is left makes up for both."
    source: ClassVar[str] = "Frantar and Alistarh 2023, arXiv 2301.00774, section 3.5"
    probed: ClassVar[tuple[Probed, ...]] = ()  # its damage is that of zeros and of levels at once: no single strength
    parameters: ClassVar[tuple[Parameter, ...]] = (
        SPARSITY,
        Parameter(
            "pattern", str, UNSTRUCTURED, "Pattern",
            "Which zeros are allowed. 'unstructured': anywhere. '2:4' and '4:8': exactly half of every 4 or 8 "
            "neighbours.",
            choices=(UNSTRUCTURED, *FINE),
        ),
        Parameter(
            "bits", int, 4, "Bits per weight", "How many bits each weight keeps that is not zero.",
            minimum=2, maximum=8, step=1, unit="bits",
        ),
        Parameter(
            "group_size", int, 64, "Group size",
            "How many neighbouring weights share one scale; zeros are chosen within a group.",
            minimum=8, maximum=65_536, step=32, unit="weights",
        ),
        ALLOCATION,
        SEQUENTIAL,
        *(p for p in SparseGPT.parameters if p.name == "damping"),
    )  # fmt: skip

    @classmethod
    def describe(cls, values: Mapping[str, Value]) -> str:
        bits, group = (
            say("{bits} bits", bits=values["bits"]),
            say("group {group_size}", group_size=values["group_size"]),
        )
        return Joined(", ", [super().describe(values), bits, group])

    @classmethod
    def check_layer(cls, values: Mapping[str, Value], name: str, shape: tuple[int, int]) -> None:
        super().check_layer(values, name, shape)
        size, of = int(values["group_size"] or 0), FINE.get(str(values["pattern"]), (1, 1))[1]
        if shape[1] % size or size % of:
            offered = ", ".join(str(divisor) for divisor in divisors_for_groups(shape[1]) if divisor % of == 0)
            raise RecipeError(
                "group_size {size} does not divide {shape} into groups of {of}; use {offered}",
                size=size,
                shape=shape[1],
                of=of,
                offered=offered,
            )

    def stored_form(self, shape: tuple[int, int]) -> StoredForm:
        """How a weight of `shape` (out, in) will be written, its zeros apart."""
        return grid(shape, self.values["bits"], self.values["group_size"], "integer")

    def prune(self, name: str, share: float, context: Context) -> None:
        import torch

        from optlab.prune.sparsegpt import chooser
        from optlab.quantize.gptq import ranges, solve

        if name in context.stored and context.stored[name].KIND != "sparse":
            raise RecipeError(
                "{name} is already quantized; put {name_2} before quantize, or leave quantize out",
                name=name,
                name_2=self.name,
            )
        W, values = context.model.weight(name).float(), self.values
        order = torch.arange(W.shape[1], device=W.device)
        shrink = ranges("mse", values["bits"])
        zeros = chooser(share, values["pattern"])
        context.store(
            name,
            solve(W, self._factor(name), order, values["group_size"], values["bits"], "integer", shrink, zeros),
        )
