"""What a probe found out, as arrays on disk: everything a prediction needs, and nothing that needs torch.

One file for each model, named by the fingerprint of its weights and the version of the probe: safetensors with the
arrays, and in its metadata a `ProbeHeader` with the rest. It is written whole and then put in place, so that a page may
read while a probe adds to it; and because it holds nothing of a machine, it can be given to somebody else
(`optlab probe export`, `shipped`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from optlab import __version__, files, paths, sealed
from optlab.errors import ModelError, OptLabError, RecipeError
from optlab.files import JsonObject
from optlab.formats.dtypes import BYTES
from optlab.methods import REGISTRY
from optlab.prediction.levels import Family, families
from optlab.recipes import Step
from optlab.results.probe import Anchor, Correction, EndDamage, ProbeHeader, TableHeader

VERSION = 5
"""Raised whenever a probe would find other numbers than before."""
OTHER_WORDS, WITHOUT_SLOPES = 4, 3
"""Probes of these versions are read too. Anchors of the first read other words than a default measurement does; the
second knows no slopes either, so that losses are predicted from divergences alone."""
QUANTILES = 513
"""Points of the distribution of |w| that are kept of every layer: sparsity to 0.2 %."""
LARGEST_FILE = 256 << 20
METADATA = "optlab_probe"
"""Key of the header in the metadata of the file."""

Floats = NDArray[np.float64]
ARRAYS = ("damage", "error", "left", "slope", "anchor_slope", "kept_error", "kept_codes")
SIGNED = ("slope", "anchor_slope")
"""Those that may be negative: to first order a change of the weights may also lower the loss on some words."""


@dataclass
class FamilyTable:
    """One family, levels as `Family.levels`. damage [layers, levels]: nats. error: |D|^2 / |W|^2. left: share of
    weights (of codes, where it quantizes) that are not zero. slope, anchor_slope: nats of loss to first order, on the
    words of a default measurement and on those that anchors read. kept_error, kept_codes [layers, levels, masks]: for a
    quantization of weights pruned by each of `masks` ("family key#level"): the share of its squared error on weights
    that are left, and the share of codes that are not zero after both."""

    kind: str
    method: str
    levels: list[JsonObject]
    masks: list[str]
    damage: Floats
    error: Floats
    left: Floats
    slope: Floats
    anchor_slope: Floats
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

    @property
    def header(self) -> TableHeader:
        """All but the arrays."""
        return TableHeader(kind=self.kind, method=self.method, levels=tuple(self.levels), masks=tuple(self.masks))


@dataclass
class State:
    """names, shapes (out, in), kinds and blocks of the linear layers; quantiles [layers, QUANTILES] of |w|; energy:
    |W|^2. tensors: (name, dtype, shape) of everything in the weight files. head: the matrix that turns the last states
    into logits. text: that was probed with. corrections: see `singles`. ends: see `optlab.prediction.ends`. anchors:
    what was measured. rule: version of the probe that found all this."""

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
    corrections: list[Correction] = field(default_factory=list)
    ends: list[EndDamage] = field(default_factory=list)
    tables: dict[str, FamilyTable] = field(default_factory=dict)
    anchors: list[Anchor] = field(default_factory=list)
    rule: int = VERSION

    @cached_property
    def index(self) -> dict[str, int]:
        """Row of each layer."""
        return {name: row for row, name in enumerate(self.names)}

    @property
    def done(self) -> bool:
        """Whether nothing is left to find: a method that was registered or given new knobs since is."""
        wanted = {family.key for family in families([columns for _, columns in self.shapes])}
        looked = bool(self.corrections) and {name for name, _ in self.end_shapes} <= {one.name for one in self.ends}
        return wanted <= set(self.tables) and looked and 0 < self.anchors_wanted <= len(self.anchors)

    @cached_property
    def end_shapes(self) -> list[tuple[str, tuple[int, int]]]:
        """Name and shape of embedding and head: matrices that a recipe may name, and no layers of the blocks."""
        return [(name, shape) for name, shape in self.matrices if name not in self.index]

    def pruned_levels(self, keys: list[str]) -> list[str]:
        """Every level of the given pruning families, as named in `FamilyTable.masks`."""
        return [f"{key}#{level}" for key in keys for level in range(len(self.tables[key].levels))]

    def header(self) -> ProbeHeader:
        """All but the arrays, made now."""
        given = {name: getattr(self, name) for name in ProbeHeader.model_fields if hasattr(self, name)}
        tables = {key: table.header for key, table in self.tables.items()}
        about = {"made": time.time(), "made_with": __version__, "tables": tables}
        return ProbeHeader.model_validate(given | about)

    def save(self, target: Path) -> None:
        """Write the file. Raises OSError."""
        files.write_bytes(target, self._bytes())

    def keep(self) -> None:
        """Write it, with a checksum, where `known` finds it. Raises OSError."""
        with sealed.writing(place_of(self.fingerprint)) as unfinished:
            unfinished.write_bytes(self._bytes())

    def _bytes(self) -> bytes:
        from safetensors.numpy import save

        arrays = {"quantiles": self.quantiles, "energy": self.energy}
        for number, table in enumerate(self.tables.values()):
            arrays |= {f"{number}.{name}": getattr(table, name) for name in ARRAYS}
        plain = {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()}
        return save(plain, {METADATA: self.header().to_json()})

    @classmethod
    def load(cls, source: Path) -> State:
        """What `save` wrote, anywhere. Raises ModelError when there is none, or it is damaged or of another version."""
        try:
            header, arrays = read(source)
            return _assembled(header, arrays)
        except (OSError, KeyError, OptLabError) as error:
            why = error.message if isinstance(error, OptLabError) else files.reason(error)
            raise ModelError("the probe in {source} cannot be read: {why}", source=source.name, why=why) from None


def read(source: Path) -> tuple[ProbeHeader, dict[str, Floats]]:
    """The two parts of a probe's file. Raises OSError, ModelError, UnreadableError."""
    from safetensors import SafetensorError, safe_open

    if source.exists() and not source.is_file():  # a pipe would be waited for
        raise ModelError("it is no file")
    if source.stat().st_size > LARGEST_FILE:
        raise ModelError("it has more than {most} MB, and no probe is that large", most=LARGEST_FILE >> 20)
    try:
        with safe_open(source, "numpy") as file:
            about = (file.metadata() or {}).get(METADATA)
            if about is None:
                raise ModelError("it is not the probe of a model")
            arrays = {name: file.get_tensor(name).astype(np.float64) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ModelError("it is no safetensors file ({error})", error=error) from None
    return ProbeHeader.from_json(about), arrays


def _assembled(header: ProbeHeader, arrays: Mapping[str, Floats]) -> State:
    """The state of both parts, once they fit each other. Raises ModelError."""
    if header.rule == WITHOUT_SLOPES:
        for number, one in enumerate(header.tables.values()):
            blank = np.zeros((len(header.names), len(one.levels)))
            arrays = {**arrays, **{f"{number}.{name}": blank for name in SIGNED}}
    elif header.rule not in (OTHER_WORDS, VERSION):
        raise ModelError(
            "it was made by version {rule} of the probe, and this OptLab reads {version}",
            rule=header.rule,
            version=VERSION,
        )
    layers = len(header.names)
    if not layers or not all(len(one) == layers for one in (header.shapes, header.kinds, header.blocks)):
        raise ModelError("it does not say the same number of layers everywhere")
    if strange := {header.storage_dtype, *(dtype for _, dtype, _ in header.tensors)} - set(BYTES):
        raise ModelError("it stores numbers as {dtype!r:.80}, which no checkpoint does", dtype=min(strange))
    for key, table in header.tables.items():
        _check_levels(key, table)
    if any(len(one.ratio) != layers or one.family not in header.tables for one in header.corrections):
        raise ModelError("its corrections are not those of its layers")
    if any(one.family not in header.tables for one in header.ends):
        raise ModelError("its figures of embedding and head are of methods that it has no tables of")
    expected = {"quantiles": (layers, QUANTILES), "energy": (layers,)}
    for number, table in enumerate(header.tables.values()):
        flat = (layers, len(table.levels))
        for name in ARRAYS:
            expected[f"{number}.{name}"] = (*flat, len(table.masks)) if name.startswith("kept") else flat
    for name, shape in expected.items():
        found = arrays[name].shape if name in arrays else None
        if found != shape:
            raise ModelError("its array {name} has the shape {found}, not {shape}", name=name, found=found, shape=shape)
        signed = name.rpartition(".")[2] in SIGNED
        if np.isinf(arrays[name]).any() or (not signed and (arrays[name] < 0).any()):
            raise ModelError("its array {name} holds numbers that no probe finds", name=name)
    tables = {
        key: FamilyTable(
            one.kind, one.method, [dict(level) for level in one.levels], list(one.masks),
            *(arrays[f"{number}.{name}"] for name in ARRAYS),
        )
        for number, (key, one) in enumerate(header.tables.items())
    }  # fmt: skip
    return State(
        model=header.model, fingerprint=header.fingerprint, names=list(header.names), shapes=list(header.shapes),
        kinds=list(header.kinds), blocks=list(header.blocks), matrices=list(header.matrices),
        tensors=list(header.tensors), storage_dtype=header.storage_dtype, quantiles=arrays["quantiles"],
        energy=arrays["energy"], head=header.head, text=header.text, anchors_wanted=header.anchors_wanted,
        corrections=list(header.corrections), ends=list(header.ends), tables=tables, anchors=list(header.anchors),
        rule=header.rule,
    )  # fmt: skip


def _check_levels(key: str, table: TableHeader) -> None:
    """That the levels of a family are those of its method; one that is not known here is never asked. Raises
    ModelError."""
    if not key.startswith(f"{table.kind} {table.method} "):
        raise ModelError("its table {key!r:.80} is of another method than it says", key=key)
    if table.method not in REGISTRY.get(table.kind, {}):
        return
    try:
        for level in table.levels:
            Step(table.kind, table.method, dict(level))
    except RecipeError as error:
        raise ModelError("its table {key!r:.80} has a level that is none: {why}", key=key, why=error.message) from None


def place_of(fingerprint: str, rule: int = VERSION) -> Path:
    """Where the probe of the model with these weights is kept in this home, once there is one. rule: its version."""
    return paths.folder("probes") / f"{fingerprint[:32]}-{rule}.safetensors"


def shipped(fingerprint: str) -> Path | None:
    """The probe of a catalog model that OptLab brings along (`assets/probes`); None for other weights."""
    return next((paths.ASSETS / "probes").glob(f"*-{fingerprint[:16]}.safetensors"), None)


def known(fingerprint: str) -> Path | None:
    """The probe of the model with these weights: of this home, else one that was brought along, else one that this home
    made by the rules before; None without any."""
    own = place_of(fingerprint)
    if _kept(own):
        return own
    if (brought := shipped(fingerprint)) is not None:
        return brought
    earlier, oldest = place_of(fingerprint, OTHER_WORDS), place_of(fingerprint, WITHOUT_SLOPES)
    if _kept(earlier):
        return earlier
    before = paths.home() / "predict" / f"{fingerprint[:32]}-{WITHOUT_SLOPES}"
    if _kept(oldest) or ((before / "state.json").is_file() and _taken_over(before, oldest)):
        return oldest
    return None


def _kept(file: Path) -> bool:
    """Whether a probe is there as it was written; one of the time before checksums is taken as it is, and gets its
    own."""
    sealed.adopt(file)
    return sealed.intact(file)


def _taken_over(folder: Path, target: Path) -> bool:
    """Write a probe that an earlier OptLab kept in two files as one; whether that went well. What it timed is left
    behind: nobody knows under which load that was."""
    try:
        header = ProbeHeader.from_dict(json.loads((folder / "state.json").read_text(encoding="utf-8")))
        with np.load(folder / "tables.npz", allow_pickle=False) as file:
            arrays = {name: file[name].astype(np.float64) for name in file.files}
        _assembled(header, arrays).save(target)
    except (OSError, ValueError, KeyError, OptLabError):
        return False
    return True
