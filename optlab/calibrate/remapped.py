"""Statistics of the original, read by the layers of a model from which units were removed.

A step after a structured pruning asks for the inputs of layers that have fewer of them, or stand in a block with
another number. `LayerLineage` remembers what is left of what; `RemappedStatistics` answers with that part of the
original's moments.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from optlab.calibrate.statistics import Statistics


@dataclass
class LayerLineage:
    """What is left of the original. names: layer now -> in the original, where they differ; columns: layer now -> the
    inputs it still has, long; rows: likewise the outputs."""

    names: dict[str, str] = field(default_factory=dict)
    columns: dict[str, Tensor] = field(default_factory=dict)
    rows: dict[str, Tensor] = field(default_factory=dict)

    def original(self, name: str) -> str:
        return self.names.get(name, name)

    def rename(self, new_names: dict[str, str]) -> None:
        """new_names: layer before -> now, of every layer that is left."""
        self.names = {now: self.original(before) for before, now in new_names.items()}
        self.columns = {new_names[name]: kept for name, kept in self.columns.items() if name in new_names}
        self.rows = {new_names[name]: kept for name, kept in self.rows.items() if name in new_names}

    def narrow(self, name: str, rows: Tensor | None = None, columns: Tensor | None = None) -> None:
        """Layer `name` now has only these of its present outputs or inputs."""
        for place, kept in ((self.rows, rows), (self.columns, columns)):
            if kept is not None:
                place[name] = place[name][kept] if name in place else kept

    def in_place(self, name: str, W: Tensor, shape: torch.Size) -> Tensor | None:
        """W, the weight of layer `name` now, where it was in the original's matrix of `shape`, 0 elsewhere; None when
        what is missing is not known."""
        rows = self.rows.get(name, torch.arange(W.shape[0])).to(W.device)
        columns = self.columns.get(name, torch.arange(W.shape[1])).to(W.device)
        if W.shape == shape:
            return W
        if (len(rows), len(columns)) != tuple(W.shape) or rows.max() >= shape[0] or columns.max() >= shape[1]:
            return None
        found = W.new_zeros(shape)
        found[rows.unsqueeze(1), columns] = W
        return found


class RemappedStatistics(Statistics):
    """`source` as the layers that are left see it; as `Statistics` otherwise."""

    def __init__(self, source: Statistics, lineage: LayerLineage) -> None:
        self.source, self.lineage = source, lineage
        self.folder, self.tokens = source.folder, source.tokens

    def __contains__(self, name: object) -> bool:
        return self.lineage.original(str(name)) in self.source

    def shared_with(self, name: str) -> str:
        shared = self.source.shared_with(self.lineage.original(name))
        return next((now for now, before in self.lineage.names.items() if before == shared), shared)

    def seen(self, name: str) -> int:
        return self.source.seen(self.lineage.original(name))

    def _read(self, name: str, what: str) -> Tensor:
        found = self.source._read(self.lineage.original(name), what)
        kept = self.lineage.columns.get(name)
        if kept is None:
            return found
        return found[kept][:, kept] if what == "gram" else found[kept]
