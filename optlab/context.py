"""What a compression method works on: the model it changes, the original beside it, and what is known of both.

A method reads statistics and text only through functions, so that nothing is computed for a method that needs nothing;
and it writes through `store` and `zero`, so that the model always computes with exactly what will be stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from optlab.calibrate.gradients import Gradients
from optlab.calibrate.remapped import LayerLineage
from optlab.calibrate.statistics import Statistics
from optlab.errors import RecipeError
from optlab.formats.codebook_tensor import CodebookTensor
from optlab.formats.float_tensor import FloatTensor
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.formats.sparse_tensor import SparseTensor
from optlab.models import resize
from optlab.models.language_model import LanguageModel
from optlab.models.training_checkpoint import TrainingCheckpoint
from optlab.progress import Progress
from optlab.results.training import Training

Coded = QuantizedTensor | CodebookTensor | FloatTensor
"""A weight in a narrower format, which a later pruning keeps: each kind also has with_zeros() and pruned."""
Stored = Coded | SparseTensor
"""How a touched weight is written. Each kind has shape, dequantize(), stored_bits(), parts(), meta(), from_parts()."""


@dataclass
class Scalings:
    """What was moved from one weight into another without changing the model (`optlab.quantize.folding`).

    columns, rows: layer -> by what its columns [in] and rows [out] were multiplied, all steps together.
    """

    columns: dict[str, Tensor] = field(default_factory=dict)
    rows: dict[str, Tensor] = field(default_factory=dict)

    def undo(self, name: str, W: Tensor) -> Tensor:
        """W [out, in], the weight of layer `name`, as it would be had nothing been moved."""
        if name in self.columns:
            W = W / self.columns[name]
        return W / self.rows[name].unsqueeze(1) if name in self.rows else W


def _no_gradients() -> Gradients:
    raise RecipeError("this step was started without a calibration text")


@dataclass
class Context:
    """What a method's `apply` gets.

    model: float32, changed in place, always holding the weights that would be stored. teacher: the untouched original,
    float32. names: the layers this step treats, in order. stored: how each touched weight will be written; absent =
    dense. statistics: of the original on the calibration text, computed on first use. training_windows(length):
    windows of the calibration text. mixed_precision: whether training may multiply in bfloat16. calibration_windows():
    the windows of `statistics`. gradients: of the original on those windows, computed on first use. scalings: what
    earlier folds have moved, see `note_scaling`. lineage: what earlier steps have left of the original. state: the
    folder of this step's training state. trainings: how trainings went, for a person to see (`optlab.distill.curve`).
    """

    model: LanguageModel
    teacher: LanguageModel
    names: list[str]
    stored: dict[str, Stored]
    statistics: Callable[[], Statistics]
    training_windows: Callable[[int], list[list[int]]]
    seed: int
    progress: Progress
    storage_dtype: torch.dtype = torch.float16
    mixed_precision: bool = False
    calibration_windows: Callable[[], list[list[int]]] = list
    gradients: Callable[[], Gradients] = _no_gradients
    scalings: Scalings = field(default_factory=Scalings)
    lineage: LayerLineage = field(default_factory=LayerLineage)
    state: Path | None = None
    trainings: list[Training] = field(default_factory=list)

    def training_checkpoint(self) -> TrainingCheckpoint | None:
        """What keeps the state of this step's training, so that a killed or stopped run goes on from there."""
        return None if self.state is None else TrainingCheckpoint(self.state)

    def keep_blocks(self, indices: list[int]) -> None:
        """Keep only these blocks of the model, in this order; what is stored follows its layer to its new name."""
        before = [prefix for prefix, _ in self.model.blocks()]
        linears = self.model.linear_names()
        resize.keep_blocks(self.model, indices)
        places = {before[old]: before[new] for new, old in enumerate(indices)}
        new_names = {n: places[p] + n[len(p) :] for p in places for n in linears if n.startswith(f"{p}.")}
        outside = {name: name for name in self.stored if name not in linears}
        followed = {(new_names | outside)[n]: one for n, one in self.stored.items() if n in new_names | outside}
        self.stored.clear()
        self.stored.update(followed)
        self.lineage.rename(new_names)
        for place in (self.scalings.columns, self.scalings.rows):
            moved = {new_names.get(name, name): s for name, s in place.items() if name in new_names | outside}
            place.clear()
            place.update(moved)

    def note_scaling(self, source: str, readers: tuple[str, ...], s: Tensor) -> None:
        """Remember a fold: the columns of `readers` were multiplied by s [in], what makes their inputs divided by it.

        Weights are compared with the original's as if nothing had been moved.
        """
        for name in readers:
            self.scalings.columns[name] = self.scalings.columns.get(name, torch.ones_like(s)) * s
        if source in self.model.linear_names():
            self.scalings.rows[source] = self.scalings.rows.get(source, torch.ones_like(s)) / s

    def store(self, name: str, stored: Stored) -> None:
        """Write layer `name` as `stored` from now on; the model computes with exactly that."""
        self.stored[name] = stored
        self.model.set_weight(name, stored.dequantize())

    def zero(self, name: str, mask: Tensor, W: Tensor | None = None) -> None:
        """Prune: set layer `name` to 0 where `mask` [out, in] is true, and elsewhere to W (default: as it is).

        A quantized weight keeps its codes, and W is not used. Raises RecipeError when its grid has no level for 0.
        """
        before = self.stored.get(name)
        if isinstance(before, Coded):
            self.store(name, before.with_zeros(mask))
        else:
            values = self.model.weight(name) if W is None else W
            self.store(name, SparseTensor(values.masked_fill(mask, 0.0).to(self.storage_dtype)))

    def is_pruned(self, name: str) -> bool:
        """Whether an earlier step put zeros into layer `name`."""
        before = self.stored.get(name)
        return isinstance(before, SparseTensor) or (before is not None and before.pruned)

    def refresh_stored(self) -> None:
        """Read pruned weights again after training has changed them; zeros are what training left at zero."""
        for name in [name for name, stored in self.stored.items() if isinstance(stored, SparseTensor)]:
            self.store(name, SparseTensor(self.model.weight(name).to(self.storage_dtype)))
