"""GPTQ: weights are rounded column by column, and the columns still open take back the error of those done.

At 4 bits and fewer this keeps much more of a model than rounding, for seconds of work once the second moments of the
inputs are known (`optlab.calibrate`), which every recipe on the same text shares.

Two choices beyond the paper. Activation order does not scatter a group over the row: groups are taken in the order of
their most energetic input, and inputs by energy within their group, so the file needs no index and the grid of a group
is still fitted to weights that already carry the corrections of all groups before it. And the range of a group is not
guessed from its weights alone: for several ranges the whole group is rounded with its corrections, and each row keeps
the range that made the least output error.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import TYPE_CHECKING, ClassVar

from optlab.methods import Parameter, Probed
from optlab.quantize.layerwise import FORMAT, LayerwiseQuantizer

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from optlab.calibrate.sequential import SequentialGrams
    from optlab.calibrate.statistics import Statistics
    from optlab.context import Context
    from optlab.formats.integer_grid import Grid, Zero
    from optlab.formats.integer_tensor import QuantizedTensor
    from optlab.quantize.hessian import Span

FEW_BITS, MORE_BITS = (1.0, 0.8, 0.6), (1.0, 0.9, 0.8)
"""Fractions of the lowest and of the highest weight of a group that the search for its range tries, in all pairs: to 3
bits, and above, where the levels are dense enough to hold the outermost weights."""
LANES_AT_ONCE = 1 << 24
"""Numbers that the search holds in one matrix: 64 MB."""


class GPTQ(LayerwiseQuantizer):
    """Rounding with error feedback along the inputs of each layer."""

    name: ClassVar[str] = "gptq"
    title: ClassVar[str] = "GPTQ"
    summary: ClassVar[str] = "Rounds column by column; the columns still open make up for the error of those done."
    source: ClassVar[str] = "Frantar et al. 2022, arXiv 2210.17323; order of groups as in Gafni et al., 2505.14638"
    needs_calibration: ClassVar[bool] = True
    parameters: ClassVar[tuple[Parameter, ...]] = (
        *FORMAT,
        Parameter(
            "sequential", bool, False, "Sequential",
            "Off: every layer is fitted to the inputs it has in the original model, which all recipes share. On: to "
            "the inputs that the already quantized layers before it make, for one more pass over the text per recipe.",
        ),
        Parameter(
            "act_order", bool, True, "Activation order",
            "Round the inputs with the most energy first, while many other weights can still make up for them.",
            advanced=True,
        ),
        Parameter(
            "clip", str, "mse", "Range",
            "'minmax' covers every weight of a group; 'mse' tries narrower ranges and keeps the one with the least "
            "error of the output.",
            choices=("minmax", "mse"), advanced=True,
        ),
        Parameter(
            "damping", float, 0.1, "Damping",
            "How much is added to the diagonal of the Hessian, as a share of its mean: more trusts the calibration "
            "text less.",
            minimum=0.0, maximum=1.0, step=0.01, advanced=True,
        ),
    )  # fmt: skip
    probed: ClassVar[tuple[Probed, ...]] = (Probed((2, 3, 4)),)

    _factored: tuple[str, Tensor, Tensor] | None = None
    _sequential: SequentialGrams | None = None

    @property
    def in_order(self) -> bool:
        return bool(self.values["sequential"])

    def apply(self, context: Context) -> None:
        """Quantize `context.names`. Raises RecipeError, ModelError, TextError, Cancelled."""
        if self.values["sequential"]:
            from optlab.calibrate.sequential import SequentialGrams

            self._sequential = SequentialGrams(context.model, context.calibration_windows())
        context.statistics()  # computed here, with its progress, and then read by all threads
        super().apply(context)

    def together(self, context: Context) -> list[list[str]]:
        """On a graphics card, neighbours that read the same input: their rows do not depend on each other, and there a
        group takes as long for the rows of one as for those of all."""
        alone = self.in_order or context.model.device.type == "cpu"
        return super().together(context) if alone else siblings(context)

    def quantize(self, W: Tensor, name: str, context: Context) -> QuantizedTensor:
        order, R = self._order_and_factor(W, name, context)
        # What an earlier step put to 0 stays 0, so no error is passed on to it that would be lost.
        zeros = frozen if context.is_pruned(name) else None
        return solve(W, R, order, self.group_size, self.bits, self.zero, ranges(self.values["clip"], self.bits), zeros)

    def _order_and_factor(self, W: Tensor, name: str, context: Context) -> tuple[Tensor, Tensor]:
        """The order of the inputs of layer `name` and the factor of their second moments; kept for its siblings."""
        import torch

        from optlab.quantize.hessian import factor

        read = context.model.structure.multiplied(name)
        if read is None:
            return torch.arange(W.shape[1]), torch.eye(W.shape[1])
        source: Statistics | SequentialGrams = context.statistics()
        if self._sequential is not None and read in self._sequential:
            source = self._sequential
        key = source.shared_with(read)
        # Read and written as one, because siblings may be quantized at the same time.
        factored = self._factored
        if factored is None or factored[0] != key:
            H = source.gram(read).to(W.device)
            energy = H.diagonal()
            order = by_energy(energy, self.group_size) if self.values["act_order"] else torch.arange(len(energy))
            H = H[order][:, order]
            self._factored = factored = key, order, factor(H, float(self.values["damping"] or 0.0))
        return factored[1:]


def siblings(context: Context) -> list[list[str]]:
    """`context.names` in their order, neighbours with the same input joined: q, k and v of a block, its gate and up."""
    statistics, found = context.statistics(), []
    last = None
    for name in context.names:
        read = context.model.structure.multiplied(name)
        key = None if read is None else (statistics.shared_with(read), context.is_pruned(name))
        if key is not None and key == last:
            found[-1].append(name)
        else:
            found.append([name])
        last = key
    return found


def ranges(clip: str, bits: int) -> tuple[float, ...]:
    """The fractions of a range that the parameter `clip` tries at `bits`."""
    return (1.0,) if clip == "minmax" else FEW_BITS if bits <= 3 else MORE_BITS


def frozen(span: Span) -> Tensor:
    """Where the weights of a span are 0 before anything is settled, bool [size, out]."""
    return span.weights == 0


def by_energy(energy: Tensor, group_size: int | None) -> Tensor:
    """An order of the inputs, long [in], that keeps groups together: groups by their largest energy, inputs by theirs
    within a group, largest first."""
    import torch

    groups = energy.view(-1, group_size or len(energy))
    inside = groups.argsort(dim=1, descending=True, stable=True)
    members = inside + groups.shape[1] * torch.arange(len(groups), device=energy.device).unsqueeze(1)
    return members[groups.amax(1).argsort(descending=True, stable=True)].flatten()


def solve(
    W: Tensor,
    R: Tensor,
    order: Tensor,
    group_size: int | None,
    bits: int,
    zero: Zero,
    shrink: tuple[float, ...] = (1.0,),
    zeros: Callable[[Span], Tensor] | None = None,
) -> QuantizedTensor:
    """W [out, in] float32, rounded with error feedback.

    order: long [in], in which inputs are settled, groups kept together. R: `hessian.factor` in that order. shrink:
    fractions of the range of a group to try (see `FEW_BITS`); the full range alone by default. zeros: says of a span,
    as bool [size, out], which of its weights become exactly 0; default none. A float zero has no level for them.
    """
    import torch

    from optlab.formats.integer_grid import in_groups, minmax
    from optlab.formats.integer_tensor import QuantizedTensor
    from optlab.quantize.hessian import compensate

    rows, columns = W.shape
    size = group_size or columns
    # A tensor has one dtype for its scales, so it is chosen before the first group.
    dtype = minmax(in_groups(W, size), bits, zero).scale.dtype
    fractions = torch.tensor(list(product(shrink, shrink)), device=W.device)
    at_once = max(1, LANES_AT_ONCE // (size * len(fractions)))
    codes = torch.empty(columns, rows, dtype=torch.uint8, device=W.device)
    scale = torch.empty(rows, columns // size, dtype=dtype, device=W.device)
    zero_point = None if zero == "none" else torch.empty_like(scale, dtype=torch.uint8 if zero == "integer" else dtype)
    groups = (order[::size] // size).tolist()

    def settle(span: Span) -> Tensor:
        inside, group = order[span.begin : span.begin + size], groups[span.begin // size]
        error = torch.empty_like(span.weights)
        gone = None if zeros is None else zeros(span)
        for begin in range(0, rows, at_once):
            some = slice(begin, begin + at_once)
            mask = None if gone is None else gone[:, some]
            error[:, some], codes[inside, some], grid = best_range(span.rows(some), bits, zero, fractions, dtype, mask)
            scale[some, group] = grid.scale
            if zero_point is not None and grid.zero_point is not None:
                zero_point[some, group] = grid.zero_point
        return error

    compensate(W[:, order], R, size, settle)
    return QuantizedTensor(codes.T.contiguous(), scale, zero_point, bits, group_size, pruned=zeros is not None)


def best_range(
    span: Span, bits: int, zero: Zero, fractions: Tensor, dtype: torch.dtype, zeros: Tensor | None = None
) -> tuple[Tensor, Tensor, Grid]:
    """A group of every row rounded within its best range: error [size, out], codes uint8 [size, out], grid of [out].

    fractions [times, 2]: of the lowest and the highest weight. Each pair is walked in lanes beside the others.
    zeros: bool [size, out], the weights that become exactly 0; the range is that of the others.
    """
    import torch

    from optlab.formats.integer_grid import Grid, fit
    from optlab.quantize.settling import settle

    rows, times = span.weights.shape[1], len(fractions)
    low, high = (span.expected if zeros is None else span.expected.masked_fill(zeros, 0.0)).aminmax(dim=0)
    grid = fit((fractions[:, :1] * low).flatten(), (fractions[:, 1:] * high).flatten(), bits, zero, dtype)
    error, codes, cost = settle(span, grid.wide(), zeros, times)
    assert codes is not None
    best = cost.view(times, rows).argmin(0) * rows + torch.arange(rows, device=low.device)
    zero_point = None if grid.zero_point is None else grid.zero_point[best]
    return error[:, best], codes[:, best].to(torch.uint8), Grid(bits, grid.scale[best], zero_point)
