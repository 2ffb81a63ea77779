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
from optlab.compression import select
from optlab.context import Context, Stored
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.models.language_model import LanguageModel
from optlab.prediction.fisher import Sensitivity
from optlab.prediction.levels import Family
from optlab.prediction.state import QUANTILES, FamilyTable, State
from optlab.progress import Progress, silent
from optlab.recipes import Recipe, Step

SAMPLED_ROWS = 24
SORTED = 1 << 17
"""Weights of a layer, evenly spread, whose sizes stand for all: a share of them is right to 0.14 %."""


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
    gradients: tuple[dict[str, Tensor], dict[str, Tensor]] | None = None
    """dL/dW [out, in] of these layers on the words of a default measurement, and on those of the anchors; None as long
    as nobody computed them."""
    _masks: dict[tuple[str, str], Tensor] = field(default_factory=dict)

    def start(self, sensitivity: dict[str, Sensitivity]) -> None:
        """Go on with these layers."""
        self.sensitivity, self.gradients = sensitivity, None
        self._masks.clear()
        places = torch.linspace(0, 1, QUANTILES)
        for name in sensitivity:
            flat = self.original.weight(name).flatten()
            sizes = flat[:: flat.numel() // SORTED | 1].abs().sort().values
            at = (places * (sizes.numel() - 1)).long()
            self.state.quantiles[self.state.index[name]] = sizes[at].cpu().numpy()
            self.state.energy[self.state.index[name]] = float(torch.linalg.vector_norm(flat)) ** 2

    def fill(
        self,
        family: Family,
        tell: Progress = silent,
        seen: Callable[[Recipe], None] = lambda recipe: None,
        most: int | None = None,
    ) -> None:
        """Apply every level of `family` that is not known yet (the first `most` of them) to the layers at hand.

        seen: called after each level with its recipe, while `working` holds what it makes of the model.
        """
        table = self.state.tables.get(family.key)
        if table is None:
            table = self.state.tables[family.key] = FamilyTable.empty(family, len(self.state.names), [])
        if family.kind == "quantize":
            pruned = [key for key, known in self.state.tables.items() if known.kind == "prune"]
            table.widen(self.state.pruned_levels(pruned))
        rows = [self.state.index[name] for name in self.sensitivity]
        missing = [level for level in range(len(family.levels)) if not table.known(rows, level)][:most]
        if missing:
            self._remember(table.masks)
        for done, level in enumerate(missing):
            step = family.step(level)
            tell(done / len(missing), f"trying {step.describe()}")
            stored = apply(self.original, self.working, Recipe.of(step), list(self.sensitivity), self.statistics)
            for name in self.sensitivity:
                self._note(table, family, level, name, stored.get(name))
            seen(Recipe.of(step))
            for name in self.sensitivity:
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

    def _note(self, table: FamilyTable, family: Family, level: int, name: str, stored: Stored | None) -> None:
        row = self.state.index[name]
        W = self.working.weight(name)
        D = W - self.original.weight(name)
        some = sampled_rows(W.shape[0])
        if np.isnan(table.damage[row, level]):
            table.damage[row, level] = self.sensitivity[name].damage(D)
            table.error[row, level] = float(torch.linalg.vector_norm(D)) ** 2 / max(self.state.energy[row], 1e-30)
        if self.gradients is not None:
            table.slope[row, level], table.anchor_slope[row, level] = (
                float((G[name] * D).sum()) for G in self.gradients
            )
        if family.kind == "prune":
            self._masks[name, f"{family.key}#{level}"] = W[some] != 0
            table.left[row, level] = float(torch.count_nonzero(W)) / W.numel()
            return
        if isinstance(stored, QuantizedTensor) and stored.zero != "float":
            codes = stored.codes[some] != stored.zero_code()[some]
        else:
            codes = W[some] != 0
        table.left[row, level] = float(codes.float().mean())
        places = [place for place in range(len(table.masks)) if np.isnan(table.kept_error[row, level, place])]
        if not places:
            return
        squared = D[some].square().flatten()
        total = float(squared.sum())
        kept = torch.stack([self._masks[name, table.masks[place]].flatten() for place in places]).float()
        left = kept @ torch.stack([squared, codes.float().flatten()], 1)
        table.kept_error[row, level, places] = (left[:, 0] / total).cpu().numpy() if total else 1.0
        table.kept_codes[row, level, places] = (left[:, 1] / codes.numel()).cpu().numpy()


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
