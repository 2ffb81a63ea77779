"""What every probed method at every level does to every layer: the damage, and what is left to store.

The methods are the registered ones, applied to a whole copy of the model; nothing about their numbers is assumed. For
a recipe that prunes and quantizes the same layer, two more figures are read off a sample of its rows: the share of the
quantization's squared error that lies on weights which the pruning leaves, and the share of codes that are still not
zero after both.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from optlab.calibrate.statistics import Statistics
from optlab.compress import Context, Stored, select
from optlab.models.language_model import LanguageModel
from optlab.predict.fisher import Sensitivity
from optlab.predict.levels import Family, families
from optlab.predict.state import QUANTILES, FamilyTable, State
from optlab.progress import Progress, silent
from optlab.quantize.tensor import QuantizedTensor
from optlab.recipes import Recipe, Step

SAMPLED_ROWS = 48


@dataclass
class Filler:
    """Fills the rows of `state` that belong to the layers whose sensitivity is at hand.

    original: float32, never changed; working: a copy, which is as the original between two calls.
    """

    original: LanguageModel
    working: LanguageModel
    state: State
    statistics: Callable[[], Statistics]
    sensitivity: dict[str, Sensitivity] = field(default_factory=dict)
    gradient: dict[str, Tensor] = field(default_factory=dict)
    _masks: dict[tuple[str, str], Tensor] = field(default_factory=dict)

    def start(self, sensitivity: dict[str, Sensitivity], gradient: dict[str, Tensor]) -> None:
        """Go on with these layers. gradient: of the loss by their weights (`first_order`)."""
        self.sensitivity, self.gradient = sensitivity, gradient
        self._masks.clear()
        places = torch.linspace(0, 1, QUANTILES)
        for name in sensitivity:
            W = self.original.weight(name)
            sizes = W.abs().flatten().sort().values
            at = (places * (sizes.numel() - 1)).long()
            self.state.quantiles[self.state.index[name]] = sizes[at].cpu().numpy()
            self.state.energy[self.state.index[name]] = float(W.square().sum())

    def fill(self, family: Family, tell: Progress = silent) -> None:
        """Apply every level of `family` to the layers at hand; at once for a family that is known."""
        pruned = [key for key, known in self.state.tables.items() if known.kind == "prune"]
        masks = self.state.pruned_levels(pruned)
        table = self.state.tables.get(family.key)
        if table is None or (family.kind == "quantize" and table.masks != masks):
            table = FamilyTable.empty(family, len(self.state.names), masks)
            self.state.tables[family.key] = table
        self._remember(table.masks)
        if family.kind == "quantize":
            self._recall(masks)
        for level in range(len(family.levels)):
            step = family.step(level)
            tell(level / len(family.levels), f"trying {step.describe()}")
            stored = apply(self.original, self.working, Recipe.of(step), list(self.sensitivity), self.statistics)
            for name in self.sensitivity:
                self._note(table, family, level, name, stored.get(name))
                self.working.set_weight(name, self.original.weight(name))

    def _remember(self, masks: list[str]) -> None:
        """Prune again by each of `masks` that another run of the probe tabulated, for where the zeros lie."""
        names = list(self.sensitivity)
        for mask in masks:
            if (names[0], mask) in self._masks:
                continue
            key, _, level = mask.rpartition("#")
            kind, method, fixed = key.split(" ", 2)
            step = Step(kind, method, json.loads(fixed) | self.state.tables[key].levels[int(level)])
            apply(self.original, self.working, Recipe.of(step), names, self.statistics)
            for name in names:
                W = self.working.weight(name)
                self._masks[name, mask] = W[sampled_rows(W.shape[0])] != 0
                self.working.set_weight(name, self.original.weight(name))

    def _recall(self, masks: list[str]) -> None:
        """Prune again what an earlier process pruned, for the masks, which are not kept on disk."""
        known = {family.key: family for family in families([columns for _, columns in self.state.shapes])}
        for mask in masks:
            key, _, level = mask.rpartition("#")
            if all((name, mask) in self._masks for name in self.sensitivity):
                continue
            apply(self.original, self.working, Recipe.of(known[key].step(int(level))), list(self.sensitivity),
                  self.statistics)  # fmt: skip
            for name in self.sensitivity:
                pruned = self.working.weight(name)
                self._masks[name, mask] = pruned[sampled_rows(pruned.shape[0])] != 0
                self.working.set_weight(name, self.original.weight(name))

    def _note(self, table: FamilyTable, family: Family, level: int, name: str, stored: Stored | None) -> None:
        row = self.state.index[name]
        W = self.original.weight(name)
        D = self.working.weight(name) - W
        table.damage[row, level] = self.sensitivity[name].damage(D)
        table.slope[row, level] = float((self.gradient[name] * D).sum())
        table.error[row, level] = float(D.square().sum()) / max(self.state.energy[row], 1e-30)
        some = sampled_rows(W.shape[0])
        if family.kind == "prune":
            kept = self.working.weight(name)[some] != 0
            self._masks[name, f"{family.key}#{level}"] = kept
            table.left[row, level] = float(torch.count_nonzero(self.working.weight(name))) / W.numel()
            return
        if isinstance(stored, QuantizedTensor) and stored.zero != "float":
            codes = stored.codes[some] != stored.zero_code()[some]
        else:
            codes = self.working.weight(name)[some] != 0
        table.left[row, level] = float(codes.float().mean())
        squared = D[some].square()
        total = float(squared.sum())
        for place, mask in enumerate(table.masks):
            kept = self._masks[name, mask]
            table.kept_error[row, level, place] = float(squared[kept].sum()) / total if total else 1.0
            table.kept_codes[row, level, place] = float((codes & kept).float().mean())


def apply(
    original: LanguageModel,
    working: LanguageModel,
    recipe: Recipe,
    names: list[str] | None,
    statistics: Callable[[], Statistics],
) -> dict[str, Stored]:
    """Change `working` by `recipe`, as `compress` does without its report; how the layers would be stored.

    names: the layers that a step without an expression treats; None is what the recipe says.
    """
    stored: dict[str, Stored] = {}
    for step in recipe.steps:
        treated = names if names is not None else select(working, step)
        step.instance().apply(Context(working, original, treated, stored, statistics, lambda length: [], 0, silent))
    return stored


def sampled_rows(rows: int) -> Tensor:
    """Rows that stand for a layer, evenly spread."""
    return torch.from_numpy(np.unique(np.linspace(0, rows - 1, min(SAMPLED_ROWS, rows)).astype(np.int64)))
