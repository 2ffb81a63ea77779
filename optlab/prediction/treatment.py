"""What a recipe does to each layer, where that lies among the probed levels, and the damage that follows.

What is done to each weight is known of every recipe that leaves the model its shape, and so are its bytes. Damage is
known where it was probed: a layer may be pruned once and quantized once, in either order. Levels between probed ones
are read off on straight lines, damage on logarithmic axes, where it is a power of sparsity, of group size and of two to
the bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from optlab.errors import RecipeError
from optlab.formats.linear_format import LinearFormat
from optlab.formats.sparse.sizes import FINE
from optlab.formats.stored_form import StoredForm
from optlab.methods import Method, Value
from optlab.prediction.ends import end_damage
from optlab.prediction.levels import STRENGTH, family_key
from optlab.prediction.state import QUANTILES, FamilyTable, Floats, State
from optlab.prune.pattern import UNITS
from optlab.prune.sparsegpt_gptq import SparseGPTQ
from optlab.quantize.layerwise import LayerwiseQuantizer
from optlab.recipes import Recipe, Step

TINY = 1e-12


class Outside(Exception):  # noqa: N818
    """The recipe lies outside of what was probed; the message says why, in words."""


@dataclass
class Place:
    """Where layers `rows` lie in a table: levels [rows, n] and their shares [rows, n], which add up to 1."""

    table: FamilyTable
    rows: NDArray[np.intp]
    levels: NDArray[np.intp]
    shares: Floats

    def read(self, what: str, logarithmic: bool = False) -> Floats:
        """`what` of the table at this place, for each of the rows (and each mask, where the array has masks)."""
        values = getattr(self.table, what)[self.rows[:, None], self.levels]
        if np.isnan(values[self.shares > 0]).any():
            raise Outside("the probe has not come to this level yet")
        values = np.nan_to_num(values)
        shares = self.shares.reshape(self.shares.shape + (1,) * (values.ndim - 2))
        if logarithmic:
            found: Floats = np.exp((np.log(np.maximum(values, TINY)) * shares).sum(1))
            return found
        mixed: Floats = (values * shares).sum(1)
        return mixed

    def slope(self, what: str, damage: Floats) -> Floats:
        """First-order change of the loss that goes with `damage` [rows]: in proportion to it, between levels."""
        known = np.maximum(self.table.damage[self.rows[:, None], self.levels], TINY)
        ratios = np.nan_to_num(getattr(self.table, what)[self.rows[:, None], self.levels] / known)
        found: Floats = damage * (ratios * np.clip(self.shares, 0.0, 1.0)).sum(1)
        return found


@dataclass
class End:
    """What is done to an embedding or a head of `shape` (rows, columns). steps: its quantizations. stored: how its
    numbers are written, None as before. sparsity: share of zeros, in `pattern` (N:M, "" = anywhere)."""

    shape: tuple[int, int]
    steps: list[Step] = field(default_factory=list)
    stored: StoredForm | None = None
    sparsity: float = 0.0
    pattern: str = ""


@dataclass
class Treatment:
    """Of all linear layers, each array [layers]. pruning, quantizing: key of the family, "" for none. values: of the
    quantization. formats: what multiplies each layer. stored: how its numbers are written, None as before. patterns:
    N:M that its zeros obey, "" = anywhere. ends: embedding and head that are treated, by name. unprobed: why nobody
    knows the damage, "" where the tables may."""

    pruning: list[str]
    sparsity: Floats
    quantizing: list[str]
    values: list[Mapping[str, Value] | None]
    formats: list[LinearFormat]
    stored: list[StoredForm | None]
    patterns: list[str]
    ends: dict[str, End] = field(default_factory=dict)
    unprobed: str = ""


@dataclass
class Damage:
    """Each array [layers]. quantized, pruned: predicted nats of either, the quantization's on what the pruning left.
    error: |D|^2 / |W|^2. kept: share of codes, or of weights where nothing is quantized, that are not zero. slope,
    anchor_slope: as `FamilyTable`. ends: nats of embedding and head, in all."""

    quantized: Floats
    pruned: Floats
    error: Floats
    kept: Floats
    slope: Floats
    anchor_slope: Floats
    ends: float = 0.0

    @property
    def total(self) -> Floats:
        """Of each layer."""
        return self.quantized + self.pruned


def treatment(state: State, recipe: Recipe) -> Treatment:
    """What `recipe` does to each matrix. Raises Outside where it changes the shape of the model, or cannot be done."""
    layers = len(state.names)
    plain = [LinearFormat(width) for _, width in state.shapes]
    found = Treatment(
        [""] * layers, np.zeros(layers), [""] * layers, [None] * layers, plain, [None] * layers, [""] * layers
    )
    for step in recipe.steps:
        instance = step.instance()
        if instance.changes_shape or step.values.get("pattern") in UNITS:
            raise Outside(f"{step.kind} {step.method} may make a model of another shape, which was not probed")
        if step.kind not in STRENGTH:
            _not_probed(found, f"{step.kind} steps are not predicted from a table")
            continue
        rows, ends = rows_of(state, step), ends_of(state, step)
        if not rows and not ends:
            _not_probed(found, f"{step.layers} names nothing that was probed")
        key = str(family_key(step))
        if rows and key not in state.tables:
            _not_probed(found, f"{step.describe()} was not probed on this model")
        if any(found.pruning[row] for row in rows) or any(found.ends[n].sparsity for n, _ in ends if n in found.ends):
            _check_pruned(instance)
        before = found.pruning if step.kind == "prune" else found.quantizing
        if any(before[row] for row in rows):
            _not_probed(found, f"a layer is treated twice by {step.kind}, which was not probed")
        if step.kind == "prune":
            pattern = str(step.values.get("pattern", ""))
            pattern = pattern if pattern in FINE else ""
            shares = sparsities(state, step, rows)
            found.sparsity[rows] = np.maximum(found.sparsity[rows], shares)
            for row in rows:
                found.patterns[row] = pattern
            for end in (found.ends.setdefault(name, End(shape)) for name, shape in ends):
                _not_probed(found, "pruning of embedding and head was not probed")
                end.sparsity, end.pattern = float(step.values.get("sparsity") or 0.0), pattern
        for row in rows:
            before[row] = key
        if isinstance(instance, LayerwiseQuantizer | SparseGPTQ):
            form = cache(instance.stored_form)
            for row in rows:
                found.stored[row] = form(state.shapes[row])
            for name, shape in ends:
                found.ends.setdefault(name, End(shape)).stored = form(shape)
        if isinstance(instance, LayerwiseQuantizer):
            multiplied = cache(instance.linear_format)
            for row in rows:
                found.values[row] = step.values
                found.formats[row] = multiplied(state.shapes[row][1])
            for name, _ in ends:
                found.ends[name].steps.append(step)
    return found


def _check_pruned(instance: Method) -> None:
    """Raises Outside, in the words of whoever measures, where a method cannot treat pruned weights."""
    try:
        instance.check_pruned()
    except RecipeError as error:
        raise Outside(str(error.message)) from None


def _not_probed(found: Treatment, why: str) -> None:
    """Remember the first reason why its damage is not known."""
    found.unprobed = found.unprobed or why


def rows_of(state: State, step: Step) -> list[int]:
    """The linear layers that a step treats."""
    if step.layers is None:
        return list(range(len(state.names)))
    return [row for row, name in enumerate(state.names) if step.matches(name)]


def ends_of(state: State, step: Step) -> list[tuple[str, tuple[int, int]]]:
    """Name and shape of what a step treats besides: embedding and head, which only an expression names."""
    return [(name, shape) for name, shape in state.end_shapes if step.matches(name)]


def sparsities(state: State, step: Step, rows: list[int]) -> Floats:
    """The share of zeros of each of `rows`, which 'global' and 'threshold' decide by the sizes of the weights."""
    scope, values = step.values.get("scope", "layer"), step.values
    if scope == "layer" or not rows:
        return np.full(len(rows), float(values["sparsity"] or 0.0))
    sizes, places = state.quantiles[rows], np.linspace(0, 1, QUANTILES)
    if scope == "threshold":
        threshold = float(values["threshold"] or 0.0)
    else:
        weights = np.array([state.shapes[row][0] * state.shapes[row][1] for row in rows], dtype=float)
        threshold = global_threshold(sizes, weights, float(values["sparsity"] or 0.0))
    return np.array([np.interp(threshold, row, places, left=0.0) for row in sizes])


def global_threshold(sizes: Floats, weights: Floats, sparsity: float) -> float:
    """The |w| below which `sparsity` of all weights lie. sizes [layers, QUANTILES], weights [layers]: how many."""
    every = np.repeat(weights / QUANTILES, QUANTILES)
    order = np.argsort(sizes, axis=None)
    share = np.cumsum(every[order]) / every.sum()
    return float(np.interp(sparsity, share, sizes.ravel()[order]))


def damage(state: State, done: Treatment) -> Damage:
    """The damage of a treatment. Raises Outside where a step was not probed, or lies beyond the probed levels."""
    if done.unprobed:
        raise Outside(done.unprobed)
    layers = len(state.names)
    quantized, pruned, error, slope, anchor_slope = np.zeros((5, layers))
    found = Damage(quantized, pruned, error, np.ones(layers), slope, anchor_slope)
    for key in dict.fromkeys(done.pruning):
        rows = np.array([row for row, one in enumerate(done.pruning) if key and one == key and done.sparsity[row] > 0])
        if len(rows):
            place = prune_place(state.tables[key], rows, done.sparsity[rows])
            plain = place.read("damage", True)
            found.pruned[rows] = plain * correction(state, key, rows, done.sparsity[rows])
            found.slope[rows] += place.slope("slope", plain)
            found.anchor_slope[rows] += place.slope("anchor_slope", plain)
            found.error[rows] += place.read("error", True)
            found.kept[rows] = 1 - done.sparsity[rows]
    groups: dict[tuple[str, Value, Value], list[int]] = {}
    for row, (key, values) in enumerate(zip(done.quantizing, done.values, strict=True)):
        if values is not None:
            groups.setdefault((key, values["bits"], values["group_size"]), []).append(row)
    for (key, bits, group), members in groups.items():
        rows = np.array(members)
        place = quantize_place(state, state.tables[key], rows, int(bits or 0), group)
        left = kept(state, place, done, rows, "kept_error")
        plain = place.read("damage", True) * left
        found.quantized[rows] = plain * correction(state, key, rows, np.zeros(len(rows)))
        found.slope[rows] += place.slope("slope", plain)
        found.anchor_slope[rows] += place.slope("anchor_slope", plain)
        found.error[rows] += place.read("error", True) * left
        found.kept[rows] = kept(state, place, done, rows, "kept_codes", place.read("left"))
    found.ends = sum(damage_of_end(state, name, end) for name, end in done.ends.items())
    return found


def damage_of_end(state: State, name: str, end: End) -> float:
    """Nats of an embedding or a head that is quantized. Raises Outside where that was not probed."""
    if len(end.steps) != 1:
        raise Outside(f"{name} is quantized twice, which was not probed")
    (step,) = end.steps
    known = [one for one in state.ends if one.name == name]
    bits, group = int(step.values.get("bits") or 0), step.values.get("group_size")
    nats = end_damage(known, str(family_key(step)), bits, group, end.shape[1])
    if nats is None:
        raise Outside(f"{step.describe()} was not probed on {name}")
    return nats


def correction(state: State, key: str, rows: NDArray[np.intp], sparsity: Floats) -> Floats:
    """Measured over predicted damage of single layers (`singles`), between the sparsities at which it was measured.

    Other variants of the same method make the same kind of change, so they take the same factor.
    """
    like = " ".join(key.split(" ")[:2])
    known = [one for one in state.corrections if one.family.startswith(like + " ")]
    if not known:
        return np.ones(len(rows))
    ratios = np.log([np.array(one.ratio)[rows] for one in known])
    at = np.array([float(state.tables[one.family].levels[one.level].get("sparsity", 0.0)) for one in known])
    found: Floats = np.exp(between(at, ratios.T, sparsity))
    return found


def prune_place(table: FamilyTable, rows: NDArray[np.intp], sparsity: Floats) -> Place:
    """Between which probed sparsities these lie. Below the first one damage goes on as the power that it is."""
    probed = np.array([float(level["sparsity"]) for level in table.levels])
    if sparsity.max() > probed[-1] + 1e-9:
        raise Outside(f"a sparsity of {sparsity.max():.0%} in one layer lies beyond the probed {probed[-1]:.0%}")
    x, axis = np.log(np.maximum(sparsity, 1e-4)), np.log(probed)
    low = np.clip(np.searchsorted(axis, x, side="right") - 1, 0, len(axis) - 2)
    share = (x - axis[low]) / (axis[low + 1] - axis[low])
    return Place(table, rows, np.stack([low, low + 1], 1), np.stack([1 - share, share], 1))


def quantize_place(state: State, table: FamilyTable, rows: NDArray[np.intp], bits: int, group: Value) -> Place:
    """Between which probed bits and group sizes these lie."""
    level = {(one["bits"], one["group_size"]): number for number, one in enumerate(table.levels)}
    probed = sorted({one["bits"] for one in table.levels})
    if not probed[0] <= bits <= probed[-1]:
        raise Outside(f"{bits} bits lie outside of the probed {probed[0]} to {probed[-1]}")
    below, above = max(b for b in probed if b <= bits), min(b for b in probed if b >= bits)
    up = (bits - below) / (above - below) if above > below else 0.0
    sizes = sorted({one["group_size"] for one in table.levels}, key=lambda size: size or 1 << 30)
    levels, shares = np.zeros((len(rows), 4), dtype=np.intp), np.zeros((len(rows), 4))
    widths = np.array([state.shapes[row][1] for row in rows])
    for width in dict.fromkeys(widths.tolist()):
        alike = widths == width
        wanted = float(group or width)
        axis = [float(size or width) for size in sizes]
        if not axis[0] <= wanted <= axis[-1]:
            raise Outside(f"groups of {group} lie outside of the probed {axis[0]:g} to {axis[-1]:g}")
        right = next(n for n, size in enumerate(axis) if size >= wanted)
        left = right if axis[right] == wanted else right - 1
        along = 0.0 if left == right else np.log(wanted / axis[left]) / np.log(axis[right] / axis[left])
        corners = [(left, below), (left, above), (right, below), (right, above)]
        levels[alike] = [level[b, sizes[size]] for size, b in corners]
        shares[alike] = [(1 - along) * (1 - up), (1 - along) * up, along * (1 - up), along * up]
    return Place(table, rows, levels, shares)


def kept(
    state: State, place: Place, done: Treatment, rows: NDArray[np.intp], what: str, alone: Floats | None = None
) -> Floats:
    """`what` of quantized layers that may have been pruned too, between the probed sparsities; alone: where not."""
    found = np.ones(len(rows)) if alone is None else alone.copy()
    pruned = [i for i, row in enumerate(rows) if done.pruning[row] and done.sparsity[row] > 0]
    if not pruned:
        return found
    masks = place.read(what)
    for key in dict.fromkeys(done.pruning[rows[i]] for i in pruned):
        own = [n for n, mask in enumerate(place.table.masks) if mask.rpartition("#")[0] == key]
        if not own:
            raise Outside("this quantization was not probed together with this pruning")
        members = [i for i in pruned if done.pruning[rows[i]] == key]
        probed = np.array([0.0, *(float(level["sparsity"]) for level in state.tables[key].levels)])
        values = np.column_stack([found[members], masks[np.ix_(members, own)]])
        found[members] = between(probed, values, done.sparsity[rows[members]])
    return found


def between(axis: Floats, values: Floats, x: Floats) -> Floats:
    """For each of n rows the value at its own x on straight lines between the m places of `axis`, as `numpy.interp`.

    axis [m]: rising. values [n, m]. x [n]: beyond the ends the end's value holds.
    """
    if len(axis) == 1:
        return values[:, 0]
    low = np.clip(np.searchsorted(axis, x, side="right") - 1, 0, len(axis) - 2)
    share = np.clip((x - axis[low]) / (axis[low + 1] - axis[low]), 0.0, 1.0)
    row = np.arange(len(values))
    found: Floats = values[row, low] * (1 - share) + values[row, low + 1] * share
    return found
