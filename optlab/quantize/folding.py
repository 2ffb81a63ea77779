"""Scale the inputs of some layers and divide what makes those inputs, so that the model computes the same as before.

Quantization is easier for some columns of a weight than for others, and a scale per input can be moved: multiply column
i of every layer that reads x by s_i, and divide x_i by s_i where it is made. That is free where x is made by something
with a number per channel that nothing else reads: the norm before the layers, the value projection before an attention
output with as many heads, the `up` half of a gated MLP before `down`. Which of these a model offers is found by
watching one forward pass and proved by numbers: scales are folded into a copy, whose outputs must not change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from optlab.errors import RecipeError
from optlab.models.language_model import LanguageModel

if TYPE_CHECKING:
    from optlab.context import Context

TOLERANCE = 1e-3
"""Largest change of the hidden states, relative to their size, that is rounding and not a wrong fold."""


@dataclass(frozen=True)
class Fold:
    """source: the module whose outputs are divided. readers: the linear layers whose inputs they are."""

    source: str
    readers: tuple[str, ...]

    def apply(self, model: LanguageModel, s: Tensor) -> None:
        """Multiply the readers' columns by s [in] and divide the source's channels by it, in place."""
        for name in self.readers:
            model.set_weight(name, model.weight(name) * s)
        source = model.module_named(self.source)
        weight, bias = source.weight, getattr(source, "bias", None)
        assert isinstance(weight, Tensor)
        if weight.ndim == 2:
            model.set_weight(self.source, model.weight(self.source) / s.unsqueeze(1))
        else:
            offset = float(getattr(source, "offset", 0.0))  # a norm that multiplies by weight + offset
            weight.data.add_(offset).div_(s).sub_(offset)
        if isinstance(bias, Tensor):
            bias.data.div_(s)


@torch.no_grad()
def folds(model: LanguageModel) -> list[Fold]:
    """All folds of `model` that leave what it computes unchanged, by block; inner ones of a block first."""
    ids = torch.arange(min(16, model.description.context_length), device=model.device).unsqueeze(0)
    found = []
    for candidates in (_between_linears(model), *_by_reader(_after_norms(model, ids))):
        if candidates and _harmless(model, candidates, ids):
            found += candidates
    place = {prefix: number for number, (prefix, _) in enumerate(model.blocks())}
    return sorted(found, key=lambda fold: place[_block(model, fold.source)])


def usable_folds(context: Context, method: str, instead: str) -> list[Fold]:
    """Folds whose readers are all treated and whose source is not stored yet. Raises RecipeError when there is none.

    method: who asks; instead: what to use where nothing can be folded.
    """
    treated = set(context.names)
    found = [
        fold for fold in folds(context.model) if treated.issuperset(fold.readers) and fold.source not in context.stored
    ]
    if not found:
        raise RecipeError(
            "{method} finds nothing in this {family} model that the inverse scales of these layers could be "
            "folded into; use {instead}",
            method=method,
            family=context.model.family,
            instead=instead,
        )
    return found


def _block(model: LanguageModel, name: str) -> str:
    return next((prefix for prefix, _ in model.blocks() if name.startswith(f"{prefix}.")), "")


def _between_linears(model: LanguageModel) -> list[Fold]:
    """value -> attention output, up -> down: by kind, where each output of one is one input of the other."""
    kinds = model.structure.kinds
    found = []
    for names in _groups(model):
        by_kind = {kinds[name]: name for name in names}
        pairs = [("attention.v", "attention.o")] + ([("mlp.up", "mlp.down")] if "mlp.gate" in by_kind else [])
        for first, second in pairs:
            if first in by_kind and second in by_kind:
                source, reader = by_kind[first], by_kind[second]
                if model.weight(source).shape[0] == model.weight(reader).shape[1]:
                    found.append(Fold(source, (reader,)))
    return found


def _groups(model: LanguageModel) -> list[list[str]]:
    """The linear layers that belong together: those of a block, but each expert's for themselves."""
    groups: dict[str, list[str]] = {}
    for name in model.linear_names():
        expert = re.match(r".*\.experts\.\d+(?=\.)", name)
        groups.setdefault(expert[0] if expert else _block(model, name), []).append(name)
    return list(groups.values())


def _after_norms(model: LanguageModel, ids: Tensor) -> list[Fold]:
    """norm -> the linear layers that are handed the very tensor it made."""
    norms = [name for name, kind in model.structure.kinds.items() if kind == "norm" and _block(model, name)]
    outputs: dict[str, Tensor] = {}
    readers: dict[str, list[str]] = {name: [] for name in norms}
    handles = []

    def made(name: str, module: nn.Module) -> None:
        handles.append(module.register_forward_hook(lambda _, args, out: outputs.__setitem__(name, out)))

    def read(name: str, module: nn.Module) -> None:
        def hook(_: nn.Module, args: tuple[Tensor, ...]) -> None:
            for norm, out in outputs.items():
                if out is args[0]:
                    readers[norm].append(name)

        handles.append(module.register_forward_pre_hook(hook))

    for name in norms:
        made(name, model.module_named(name))
    for name in model.linear_names():
        read(name, model.module_named(name))
    try:
        model.hidden(ids)
    finally:
        for handle in handles:
            handle.remove()
    return [Fold(norm, tuple(names)) for norm, names in readers.items() if names]


def _by_reader(candidates: list[Fold]) -> list[list[Fold]]:
    """Folds of one place in every block together: where a norm feeds experts too, only its own folds are wrong."""
    places: dict[str, list[Fold]] = {}
    for fold in candidates:
        places.setdefault(fold.source.rpartition(".")[2], []).append(fold)
    return list(places.values())


def _harmless(model: LanguageModel, candidates: list[Fold], ids: Tensor) -> bool:
    """Whether folding scales from 1/2 to 2 into all of `candidates` leaves the hidden states as they were."""
    changed = model.clone()
    generator = torch.Generator().manual_seed(0)
    for fold in candidates:
        width = model.weight(fold.readers[0]).shape[1]
        fold.apply(changed, torch.exp2(2 * torch.rand(width, generator=generator) - 1).to(model.device))
    before, after = model.hidden(ids), changed.hidden(ids)
    return float((after - before).norm() / before.norm()) < TOLERANCE
