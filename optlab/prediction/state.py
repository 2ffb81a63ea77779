"""What a probe found out, as arrays on disk: everything a prediction needs, and nothing that needs torch.

One folder for each model (named by the fingerprint of its weights and the version of the probe): `tables.npz` with the
arrays, `state.json` with the rest. Both are written whole and then put in place, so that a page may read while a probe
adds to it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from optlab import files, paths
from optlab.errors import ModelError
from optlab.files import JsonObject
from optlab.prediction.levels import Family, families

VERSION = 3
"""Raised whenever a probe would find other numbers than before."""
QUANTILES = 513
"""Points of the distribution of |w| that are kept of every layer: sparsity to 0.2 %."""

Floats = NDArray[np.float64]
ARRAYS = ("damage", "error", "left", "kept_error", "kept_codes")


@dataclass
class FamilyTable:
    """One family, levels as `Family.levels`. damage [layers, levels]: nats. error: |D|^2 / |W|^2. left: share of
    weights (of codes, where it quantizes) that are not zero. kept_error, kept_codes [layers, levels, masks]: for a
    quantization of weights pruned by each of `masks` ("family key#level"): the share of its squared error on weights
    that are left, and the share of codes that are not zero after both."""

    kind: str
    method: str
    levels: list[JsonObject]
    masks: list[str]
    damage: Floats
    error: Floats
    left: Floats
    kept_error: Floats
    kept_codes: Floats

    @classmethod
    def empty(cls, family: Family, layers: int, masks: list[str]) -> FamilyTable:
        """Nothing known yet."""
        flat, deep = (layers, len(family.levels)), (layers, len(family.levels), len(masks))
        if family.kind == "prune":
            masks, deep = [], (layers, len(family.levels), 0)
        blank = [np.full(deep if name.startswith("kept") else flat, np.nan) for name in ARRAYS]
        return cls(family.kind, family.method, [dict(level) for level in family.levels], masks, *blank)

    def widen(self, masks: list[str]) -> None:
        """Make room for further masks, of which nothing is known yet."""
        new = [mask for mask in masks if mask not in self.masks]
        blank = np.full((*self.damage.shape, len(new)), np.nan)
        self.masks = [*self.masks, *new]
        self.kept_error, self.kept_codes = (
            np.concatenate([one, blank], 2) for one in (self.kept_error, self.kept_codes)
        )

    def known(self, rows: list[int], level: int) -> bool:
        """Whether a level is known of all layers `rows`."""
        return not any(np.isnan(getattr(self, name)[rows, level]).any() for name in ARRAYS)

    @property
    def done(self) -> bool:
        """Whether every level is known."""
        return not any(np.isnan(getattr(self, name)).any() for name in ARRAYS)


@dataclass
class State:
    """names, shapes (out, in), kinds and blocks of the linear layers; quantiles [layers, QUANTILES] of |w|; energy:
    |W|^2. tensors: (name, dtype, shape) of everything in the weight files. head: the matrix that turns the last states
    into logits. text: that was probed with. corrections: see `singles`. anchors, timings: what was measured."""

    model: str
    fingerprint: str
    names: list[str]
    shapes: list[tuple[int, int]]
    kinds: list[str]
    blocks: list[int]
    matrices: list[tuple[str, tuple[int, int]]]
    tensors: list[tuple[str, str, tuple[int, ...]]]
    storage_dtype: str
    quantiles: Floats
    energy: Floats
    head: str = ""
    text: str = ""
    anchors_wanted: int = 0
    corrections: list[JsonObject] = field(default_factory=list)
    tables: dict[str, FamilyTable] = field(default_factory=dict)
    anchors: list[JsonObject] = field(default_factory=list)
    timings: list[JsonObject] = field(default_factory=list)

    @cached_property
    def index(self) -> dict[str, int]:
        """Row of each layer."""
        return {name: row for row, name in enumerate(self.names)}

    @property
    def done(self) -> bool:
        """Whether nothing is left to find: a method that was registered or given new knobs since is."""
        wanted = {family.key for family in families([columns for _, columns in self.shapes])}
        return wanted <= set(self.tables) and bool(self.corrections) and 0 < self.anchors_wanted <= len(self.anchors)

    def pruned_levels(self, keys: list[str]) -> list[str]:
        """Every level of the given pruning families, as named in `FamilyTable.masks`."""
        return [f"{key}#{level}" for key in keys for level in range(len(self.tables[key].levels))]

    def save(self, folder: Path) -> None:
        """Write both files."""
        arrays = {"quantiles": self.quantiles, "energy": self.energy}
        listed = {}
        for number, (key, table) in enumerate(self.tables.items()):
            listed[key] = {
                "number": number, "kind": table.kind, "method": table.method, "levels": table.levels,
                "masks": table.masks,
            }  # fmt: skip
            arrays |= {f"{number}.{name}": getattr(table, name) for name in ARRAYS}
        plain = {name: value for name, value in vars(self).items() if name not in ("tables", "index", *arrays)}
        folder.mkdir(parents=True, exist_ok=True)
        with files.writing(folder / "tables.npz") as unfinished:
            np.savez(unfinished, **{name: array.astype(np.float32) for name, array in arrays.items()})  # type: ignore[arg-type]
        files.write_json(folder / "state.json", plain | {"tables": listed})

    @classmethod
    def load(cls, folder: Path) -> State:
        """Raises ModelError when there is none or it is damaged."""
        try:
            plain = json.loads((folder / "state.json").read_text(encoding="utf-8"))
            listed = plain.pop("tables")
            with np.load(folder / "tables.npz", allow_pickle=False) as file:
                arrays = {name: file[name].astype(np.float64) for name in file.files}
            tables = {}
            for key, one in listed.items():
                number = one.pop("number")
                tables[key] = FamilyTable(**one, **{name: arrays[f"{number}.{name}"] for name in ARRAYS})
            for name in ("shapes", "tensors", "matrices"):
                plain[name] = [tuple(tuple(x) if isinstance(x, list) else x for x in entry) for entry in plain[name]]
            return cls(**plain, tables=tables, quantiles=arrays["quantiles"], energy=arrays["energy"])
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ModelError(
                "the probe in {folder} cannot be read ({error!r}); probe the model again",
                folder=folder,
                error=error,
            ) from None


def folder_of(fingerprint: str) -> Path:
    """Where the probe of the model with these weights is kept."""
    return paths.folder("predict") / f"{fingerprint[:32]}-{VERSION}"
