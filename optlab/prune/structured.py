"""Whole units are removed: neurons, groups of attention heads, blocks. Every matrix that is left is smaller.

A neuron or a head is judged by what it writes: the sum of the squared scores of its columns in the layer that reads it
(for Wanda, the energy of its output where inputs are independent; for Taylor, arXiv 1906.10771, eq. 8). SparseGPT also
lets the columns that stay make up for those that go, by least squares: W H[:, K] (H[K, K])^-1 for kept inputs K.

A block is judged by its influence, 1 - the mean cosine between what it reads and what it writes (ShortGPT, Men et al.,
arXiv 2403.03853, eq. 1); only Random draws lots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from optlab.calibrate.influence import influences
from optlab.errors import RecipeError
from optlab.messages import say
from optlab.models.resize import head_unit, keep_heads, keep_neurons, layers_by_kind
from optlab.quantize.hessian import factor

if TYPE_CHECKING:
    from optlab.context import Context
    from optlab.prune.scored import ScoredPruning

KEYS = ("attention.k", "attention.v")
ROUND_TO = 32
"""Kept neurons are a multiple of this where the original's were: packed kernels and group sizes want it."""


def remove(method: ScoredPruning, context: Context) -> None:
    """Remove the share of units that `method` asks for from `context.model`. Raises RecipeError, Cancelled."""
    if set(context.names) != set(context.model.linear_names()):
        raise RecipeError(
            "pattern {pattern} treats all blocks alike; leave the layers expression out",
            pattern=method.values["pattern"],
        )
    coded = [name for name, stored in context.stored.items() if stored.KIND != "sparse"]
    if coded:
        raise RecipeError(
            "{coded} is already quantized, so no unit can be cut out of it; prune before quantize",
            coded=coded[0],
        )
    {"layers": _remove_blocks, "neurons": _remove_neurons, "heads": _remove_heads}[method.values["pattern"]](
        method, context
    )
    context.refresh_stored()


def _remove_blocks(method: ScoredPruning, context: Context) -> None:
    count = len(context.model.blocks())
    keep = _count_kept(method, count, "layers")
    if method.name == "random":
        scores = torch.rand(count, generator=torch.Generator().manual_seed(context.seed))
    elif method.needs_calibration:
        scores = torch.tensor(influences(context.model, context.calibration_windows(), context.progress))
    else:
        raise RecipeError(
            "{name} cannot tell which blocks matter; use wanda, which measures their influence",
            name=method.name,
        )
    context.keep_blocks(_best(scores, keep).tolist())


def _remove_neurons(method: ScoredPruning, context: Context) -> None:
    model, chosen = context.model, []
    down = [layers_by_kind(model, i)["mlp.down"] for i in range(len(model.blocks()))]
    width = model.weight(down[0]).shape[1]
    keep = _count_kept(method, width, "neurons", ROUND_TO if width % ROUND_TO == 0 else 1)
    method.begin(context)
    for number, name in enumerate(down):
        context.progress(number / len(down), say("removing neurons of block {number}", number=number + 1))
        chosen.append(_best(_column_scores(method, name, context), keep))
        _compensate(method, name, chosen[-1], context)
    for number, kept in enumerate(chosen):
        layers = layers_by_kind(model, number)
        for kind in ("mlp.gate", "mlp.up"):
            if kind in layers:
                context.lineage.narrow(layers[kind], rows=kept)
        context.lineage.narrow(layers["mlp.down"], columns=kept)
    keep_neurons(model, chosen)


def _remove_heads(method: ScoredPruning, context: Context) -> None:
    model, chosen = context.model, []
    unit = head_unit(model)
    out = [layers_by_kind(model, i)["attention.o"] for i in range(len(model.blocks()))]
    size = unit * int(getattr(model.module, "config").head_dim)  # noqa: B009
    units = model.weight(out[0]).shape[1] // size
    keep = _count_kept(method, units, "groups of attention heads")
    method.begin(context)
    for number, name in enumerate(out):
        context.progress(number / len(out), say("removing heads of block {number}", number=number + 1))
        kept = _best(_column_scores(method, name, context).view(units, size).sum(1), keep)
        columns = (kept.unsqueeze(1) * size + torch.arange(size, device=kept.device)).flatten()
        _compensate(method, name, columns, context)
        chosen.append(kept.tolist())
    cut_heads(context, chosen)


def cut_heads(context: Context, chosen: list[list[int]]) -> bool:
    """Keep of the attention of block i only the units chosen[i] (sorted, equally many); see `resize.head_unit`.

    False, and nothing happens, where the family derives the size of a head from the width of the model.
    """
    model = context.model
    try:
        unit = head_unit(model)
    except RecipeError:
        return False
    size = unit * int(getattr(model.module, "config").head_dim)  # noqa: B009
    for number, units in enumerate(chosen):
        layers = layers_by_kind(model, number)
        columns = torch.tensor([u * size + i for u in units for i in range(size)], device=model.device)
        context.lineage.narrow(layers["attention.o"], columns=columns)
        context.lineage.narrow(layers["attention.q"], rows=columns)
    shapes = [[model.weight(layers_by_kind(model, i)[k]).shape[0] for k in KEYS] for i in range(len(chosen))]
    keep_heads(model, chosen)
    for number, before in enumerate(shapes):
        _note_keys(context, number, before, chosen[number], size // unit)
    return True


def _note_keys(context: Context, number: int, before: list[int], kept: list[int], size: int) -> None:
    layers = layers_by_kind(context.model, number)
    rows = torch.tensor([unit * size + i for unit in kept for i in range(size)])
    for kind, height in zip(KEYS, before, strict=True):
        if context.model.weight(layers[kind]).shape[0] != height:
            context.lineage.narrow(layers[kind], rows=rows)


def _count_kept(method: ScoredPruning, count: int, what: str, multiple: int = 1) -> int:
    """How many of `count` units stay. Raises RecipeError when none or all would."""
    share = float(method.values["sparsity"])
    keep = round(count * (1 - share) / multiple) * multiple
    if share > 0 and not 0 < keep < count:
        raise RecipeError(
            say(
                "sparsity {share:g} of {count} {what} leaves {keep}; use {multiple:.3g} to {left:.3g} in steps "
                "of {multiple:.3g}",
                share=share,
                count=count,
                what=what,
                keep=keep,
                multiple=multiple / count,
                left=1 - multiple / count,
            )
            if count > multiple
            else say("a block has {count} {what}, of which none can be removed", count=count, what=what)
        )
    return keep


def _best(scores: Tensor, keep: int) -> Tensor:
    """The `keep` highest of scores [n], as sorted indices."""
    return scores.argsort(descending=True, stable=True)[:keep].sort().values


def _column_scores(method: ScoredPruning, name: str, context: Context) -> Tensor:
    """How much every input of layer `name` matters to its outputs, [in]."""
    return method.scores(name, context).square().sum(0)


def _compensate(method: ScoredPruning, name: str, kept: Tensor, context: Context) -> None:
    """Let the columns `kept` of layer `name` take over what the others did, where the method can."""
    H = method.second_moments(name)
    if H is None:
        return
    W = context.model.weight(name)
    context.model.set_weight(name, least_squares(W, H, kept, method.damping()))


def least_squares(W: Tensor, H: Tensor, kept: Tensor, damping: float) -> Tensor:
    """V [out, in], 0 outside the columns `kept`, with the least tr((W - V) H (W - V)^T); float32.

    H [in, in]: second moments of the inputs; damping: share of its mean diagonal that is added, as in SparseGPT.
    """
    R = factor(H, damping)
    damped = R @ R.T
    V = torch.zeros_like(W)
    V[:, kept] = torch.cholesky_solve(
        (W @ damped)[:, kept].T.contiguous(), torch.linalg.cholesky(damped[kept][:, kept])
    ).T
    return V
